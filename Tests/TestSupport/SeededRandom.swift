internal import Glibc

/// Random numbers that can be had again: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom
/// Number Generators, 2014). The seed is printed and may be given as STAVE_TEST_SEED.
package struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    /// With the seed of the environment, or a new one; either is printed.
    package static func forTest(_ name: String = #function) -> SeededRandom {
        var seed = UInt64.random(in: 1 ... .max)
        if let text = unsafe getenv("STAVE_TEST_SEED"),
            let given = unsafe UInt64(String(cString: text))
        {
            seed = given
        }
        print("\(name): STAVE_TEST_SEED=\(seed)")
        return SeededRandom(seed: seed)
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
