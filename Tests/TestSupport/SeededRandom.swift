internal import Foundation

/// Random numbers that can be had again: SplitMix64 (Steele, Lea, Flood: Fast Splittable
/// Pseudorandom Number Generators, 2014).
package struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    /// With the seed of `Seeds`, printed under the test's name.
    package static func forTest(_ name: String = #function) -> SeededRandom {
        let seed = Seeds.some(1)[0]
        print("\(name): STAVE_SEED=\(seed)")
        return SeededRandom(seed: seed)
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    /// True in `percent` of 100 cases.
    package mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &self) < percent
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}

/// The seeds of a random test: new ones in each run, or the one that STAVE_SEED names.
///
/// A failing test prints its argument, which is the seed; `STAVE_SEED=that swift test` repeats it.
package enum Seeds {
    package static func some(_ count: Int) -> [UInt64] {
        if let text = ProcessInfo.processInfo.environment["STAVE_SEED"], let seed = UInt64(text) {
            return [seed]
        }
        let first = UInt64.random(in: 0..<1_000_000_000)
        return (0..<UInt64(count)).map { first + $0 }
    }
}
