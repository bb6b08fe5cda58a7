/// Whole records that are no part of a log, and that nothing shows to have been durable ever: those
/// behind a torn tail, behind the end that a segment was given after a crash, and in a segment
/// behind a log that ended early. They are left out, unless they are asked for.
struct UnsyncedRecords {
    /// So many keys are named.
    static let named = 20

    private(set) var count = 0
    private(set) var first = 0
    /// Of the first records.
    private(set) var keys: [[UInt8]] = []

    mutating func add(_ key: [UInt8], at offset: Int) {
        if count == 0 { first = offset }
        count += 1
        if keys.count < Self.named { keys.append(key) }
    }
}
