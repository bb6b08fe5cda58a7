/// Up to where a follower has a store's changes: to be kept by it, and given back to go on.
///
/// As text, `4711@1f2e3d4c5b6a7988`: the number of a write, and the history that it belongs to. A
/// backup has a history of its own from its making on, so that a position in one is not taken for
/// one in the other. The number alone is a position, too, of which nothing but its being there is
/// checked.
public struct ChangePosition: Hashable, Sendable {
    /// All changes with this number and lower ones are known; 0 before the first.
    public let sequence: UInt64
    /// nil where it was not said.
    let history: UInt64?

    /// Before the first write: what follows is all that a store holds, for a copy that is empty.
    public static let start = ChangePosition(sequence: 0)

    /// The position behind the write with this number, of whatever history.
    public init(sequence: UInt64) {
        self.init(sequence: sequence, history: nil)
    }

    init(sequence: UInt64, history: UInt64?) {
        self.sequence = sequence
        self.history = history
    }
}

extension ChangePosition: LosslessStringConvertible {
    /// nil where the text is no position.
    public init?(_ text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts[0].utf8.allSatisfy({ (48...57).contains($0) }),
            let sequence = UInt64(parts[0])
        else { return nil }
        guard parts.count == 2 else {
            self.init(sequence: sequence)
            return
        }
        guard parts[1].utf8.count == 16, parts[1].first != "+",
            let history = UInt64(parts[1], radix: 16)
        else { return nil }
        self.init(sequence: sequence, history: history)
    }

    public var description: String {
        guard let history else { return "\(sequence)" }
        let digits = String(history, radix: 16)
        return "\(sequence)@" + String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// What became of one key.
public struct Change: Equatable, Sendable {
    /// The key's bytes.
    public var key: [UInt8]
    /// The value's bytes; nil where the key was deleted.
    public var value: [UInt8]?
    /// The number of the write, `Store.version(forKey:)`.
    public var version: UInt64
    /// Set where a copy that has made all changes up to this one is the store as it was at one
    /// moment: from here a follower may go on later. nil in between.
    public var position: ChangePosition?
}
