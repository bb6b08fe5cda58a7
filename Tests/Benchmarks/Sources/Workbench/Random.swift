import Foundation

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// 0 ..< bound.
    mutating func next(below bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// 0 ..< 1.
    mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }
}

/// Numbers 0 ..< count, the small ones most often: Gray et al., Quickly generating billion-record
/// synthetic databases (1994), with YCSB's constant 0.99.
struct Zipf {
    private let count: Double
    private let alpha: Double
    private let eta: Double
    private let zeta: Double
    private static let theta = 0.99

    init(count: Int) {
        let theta = Zipf.theta
        var sum = 0.0
        for index in 1...count { sum += 1 / pow(Double(index), theta) }
        self.count = Double(count)
        zeta = sum
        alpha = 1 / (1 - theta)
        let zeta2 = 1 + pow(0.5, theta)
        eta = (1 - pow(2 / self.count, 1 - theta)) / (1 - zeta2 / zeta)
    }

    func next(_ random: inout SplitMix) -> Int {
        let u = random.fraction()
        let uz = u * zeta
        if uz < 1 { return 0 }
        if uz < 1 + pow(0.5, Zipf.theta) { return 1 }
        return min(Int(count * pow(eta * u - eta + 1, alpha)), Int(count) - 1)
    }

    /// The same with the often chosen ones spread over all numbers, as YCSB does it (FNV-1a).
    func scrambled(_ random: inout SplitMix) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        var rest = UInt64(next(&random))
        for _ in 0..<8 {
            hash = (hash ^ (rest & 0xff)) &* 0x100_0000_01b3
            rest >>= 8
        }
        return Int(hash % UInt64(count))
    }
}
