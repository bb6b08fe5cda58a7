import CFloor

/// Keys in a random order, one after the other in one stretch of memory.
struct Keys {
    let length: Int
    let count: Int
    private let bytes: [UInt8]

    /// `count` keys of `length` bytes (at least 16) for the numbers from `first` on, shuffled by `seed`.
    init(count: Int, length: Int, first: Int = 0, seed: UInt64) {
        var order = (0..<count).map { $0 + first }
        var random = SplitMix(state: seed)
        for index in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(index, Int(random.next() % UInt64(index + 1)))
        }
        var bytes = [UInt8](repeating: UInt8(ascii: "k"), count: count * length)
        let digits = Array("0123456789abcdef".utf8)
        for (index, number) in order.enumerated() {
            var mixed = SplitMix(state: UInt64(number) &* 0x1234_5678_9abc_def1)
            var word = mixed.next()
            for place in 0..<16 {
                bytes[index * length + length - 16 + place] = digits[Int(word & 15)]
                word >>= 4
            }
        }
        self.bytes = bytes
        self.length = length
        self.count = count
    }

    /// Calls `body` with each key, or each group of keys.
    @inline(__always)
    func forEach(group: Int = 1, _ body: (RawSpan) -> Void) {
        let span = bytes.span.bytes
        var index = 0
        while index + group <= count {
            body(span.extracting(index * length..<(index + group) * length))
            index += group
        }
    }
}

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
}

/// CPU nanoseconds an operation, of the calling thread and of the whole process.
struct Cost {
    var thread: Double
    var process: Double

    static func measure(operations: Int, _ body: () -> Void) -> Cost {
        let (thread, process) = (cfloor_thread_nanoseconds(), cfloor_process_nanoseconds())
        body()
        return Cost(
            thread: Double(cfloor_thread_nanoseconds() - thread) / Double(operations),
            process: Double(cfloor_process_nanoseconds() - process) / Double(operations))
    }
}

let workloadNames = [
    "set new", "overwrite", "get hit", "get miss", "get, 16 at a time", "delete half",
]

/// Runs the point workloads on a fresh engine.
func measurePoints(_ engine: some Engine, _ n: Int, _ keyLength: Int, _ valueLength: Int) -> [Cost]
{
    let value = [UInt8](repeating: 118, count: valueLength)
    func keys(_ seed: UInt64, first: Int = 0, count: Int? = nil) -> Keys {
        Keys(count: count ?? n, length: keyLength, first: first, seed: seed)
    }
    var costs: [Cost] = []
    var (order, wrong) = (keys(1), 0)
    func measure(_ operations: Int, _ body: () -> Void) {
        costs.append(Cost.measure(operations: operations, body))
    }
    measure(n) { order.forEach { engine.set($0, value.span.bytes) } }
    order = keys(2)
    measure(n) { order.forEach { engine.set($0, value.span.bytes) } }
    order = keys(3)
    measure(n) { order.forEach { if engine.get($0) != valueLength { wrong += 1 } } }
    order = keys(4, first: n)
    measure(n) { order.forEach { if engine.get($0) != -1 { wrong += 1 } } }
    order = keys(5)
    measure(n) { order.forEach(group: 16) { if engine.get16($0) != 16 { wrong += 1 } } }
    order = keys(6, count: n / 2)
    measure(n / 2) { order.forEach { if !engine.delete($0) { wrong += 1 } } }
    precondition(wrong == 0, "\(wrong) wrong answers")
    return costs
}
