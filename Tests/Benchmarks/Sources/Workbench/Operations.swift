import Foundation

/// What one step of a workload does.
enum Operation: UInt8 {
    case read, write, delete, readModifyWrite, scan
}

/// The keys of a workload in the order in which it uses them, made before the clock runs. The
/// memory is used again by the next workload, so that it does not count as an engine's.
final class Operations: @unchecked Sendable {
    let keyLength: Int
    private let capacity: Int
    let keys: UnsafeMutableRawPointer
    private(set) var kinds: UnsafeMutablePointer<UInt8>
    /// Key numbers; for `keys`.
    private(set) var numbers: UnsafeMutablePointer<UInt32>
    private(set) var count = 0

    init(capacity: Int, keyLength: Int) {
        precondition(keyLength >= 16)
        self.keyLength = keyLength
        self.capacity = capacity
        keys = .allocate(byteCount: capacity * keyLength, alignment: 4096)
        memset(keys, Int32(UInt8(ascii: "k")), capacity * keyLength)
        kinds = .allocate(capacity: capacity)
        kinds.initialize(repeating: 0, count: capacity)
        numbers = .allocate(capacity: capacity)
        numbers.initialize(repeating: 0, count: capacity)
    }

    func removeAll() { count = 0 }

    func append(_ kind: Operation, _ number: Int) {
        precondition(count < capacity)
        kinds[count] = kind.rawValue
        numbers[count] = UInt32(number)
        Operations.encode(number, keys + (count * keyLength + keyLength - 16))
        count += 1
    }

    @inline(__always)
    func key(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: keys + index * keyLength, count: keyLength)
    }

    func keys(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: keys + range.lowerBound * keyLength, count: range.count * keyLength)
    }

    /// The word whose 16 hexadecimal digits end the key of a number: all different, in no order.
    static func word(_ number: Int) -> UInt64 {
        var mix = SplitMix(state: UInt64(number) &* 0x1234_5678_9abc_def1)
        return mix.next()
    }

    private static func encode(_ number: Int, _ place: UnsafeMutableRawPointer) {
        let word = word(number)
        for index in 0..<16 {
            let digit = UInt8(truncatingIfNeeded: word >> (60 - 4 * UInt64(index))) & 15
            place.storeBytes(
                of: digit < 10 ? 48 + digit : 87 + digit, toByteOffset: index, as: UInt8.self)
        }
    }

    /// 0 ..< count, shuffled.
    static func shuffled(_ count: Int, seed: UInt64) -> [UInt32] {
        var order = (0..<UInt32(count)).map { $0 }
        var random = SplitMix(state: seed)
        for index in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(index, random.next(below: index + 1))
        }
        return order
    }
}

/// What the engine must answer: the version of each key's value, 0 where it is absent.
final class Model {
    private(set) var versions: [UInt32]
    /// Keys that were ever set are the numbers below.
    private(set) var end: Int
    private var nextVersion: UInt32 = 1

    init(capacity: Int) {
        versions = [UInt32](repeating: 0, count: capacity)
        end = 0
    }

    /// The version of the first write of a sequence that is about to run.
    var firstVersion: UInt64 { UInt64(nextVersion) }

    /// A sequence has run: its step `index` wrote `firstVersion + index`.
    func apply(_ operations: Operations, count: Int? = nil) {
        let count = count ?? operations.count
        for index in 0..<count {
            let number = Int(operations.numbers[index])
            switch Operation(rawValue: operations.kinds[index])! {
            case .read, .scan: break
            case .delete: versions[number] = 0
            case .write, .readModifyWrite:
                versions[number] = nextVersion + UInt32(index)
                end = max(end, number + 1)
            }
        }
        nextVersion += UInt32(count)
    }

    /// What `scan` must fold to and how many entries it must find.
    func expectedScan(keyLength: Int) -> (count: Int, sum: UInt64) {
        let one = Operations(capacity: 1, keyLength: keyLength)
        defer { one.free() }
        var (count, sum) = (0, UInt64(0))
        for number in 0..<end where versions[number] != 0 {
            one.removeAll()
            one.append(.read, number)
            count += 1
            sum &+= Check.fold(one.key(0))
        }
        return (count, sum)
    }

    /// Every key that was ever set is asked for; returns the wrong answers.
    func verify(_ engine: any Engine, keyLength: Int, valueLength: Int) -> Int {
        let one = Operations(capacity: 1, keyLength: keyLength)
        defer { one.free() }
        var value = Value(length: valueLength)
        defer { value.free() }
        var wrong = 0
        for number in 0..<end {
            one.removeAll()
            one.append(.read, number)
            value.version = UInt64(versions[number])
            var check = Check(valueLength: valueLength)
            check.expected = value
            let isThere = engine.get(one.key(0), &check)
            if isThere != (versions[number] != 0) || check.wrong != 0 { wrong += 1 }
        }
        return wrong
    }

    func write(to path: String) throws {
        try versions[0..<end].withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: path)) }
    }

    init(path: String) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        versions = [UInt32](unsafeUninitializedCapacity: data.count / 4) { buffer, count in
            count = data.copyBytes(to: buffer) / 4
        }
        end = versions.count
    }
}

extension Operations {
    func free() {
        keys.deallocate()
        kinds.deallocate()
        numbers.deallocate()
    }
}
