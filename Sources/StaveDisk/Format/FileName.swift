/// The names of a store's files. Numbers are written with ten digits, so that names sort as numbers
/// do.
package enum FileName: Hashable, Sendable {
    case manifest
    case lock
    case checkpoint
    case segment(UInt64)
    case hint(UInt64)
    /// A file being written, to be renamed when whole. Open removes what a crash left of them.
    case temporary(String)

    package static let manifestName = "MANIFEST"
    package static let lockName = "LOCK"
    static let temporarySuffix = ".tmp"
    package static let largestNumber: UInt64 = 9_999_999_999

    /// The file that `name` names, or nil where it is not one of a store's.
    package init?(_ name: String) {
        switch name {
        case Self.manifestName: self = .manifest
        case Self.lockName: self = .lock
        case "keydir.checkpoint": self = .checkpoint
        default:
            if let number = Self.number(in: name, suffix: ".segment") {
                self = .segment(number)
            } else if let number = Self.number(in: name, suffix: ".hint") {
                self = .hint(number)
            } else if name.hasSuffix(Self.temporarySuffix),
                let file = FileName(String(name.dropLast(Self.temporarySuffix.count)))
            {
                if case .temporary = file { return nil }
                self = .temporary(name)
            } else {
                return nil
            }
        }
    }

    package var name: String {
        switch self {
        case .manifest: Self.manifestName
        case .lock: Self.lockName
        case .checkpoint: "keydir.checkpoint"
        case .segment(let number): Self.padded(number) + ".segment"
        case .hint(let number): Self.padded(number) + ".hint"
        case .temporary(let name): name
        }
    }

    /// Where a new version of this file is written before it is renamed.
    package var temporaryName: String { Self.temporary(for: name) }

    /// The same for any name.
    package static func temporary(for name: String) -> String { name + temporarySuffix }

    private static func padded(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 10 - digits.count)) + digits
    }

    private static func number(in name: String, suffix: String) -> UInt64? {
        guard name.hasSuffix(suffix) else { return nil }
        let digits = name.dropLast(suffix.count)
        guard digits.utf8.count == 10,
            digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = UInt64(digits), number > 0
        else { return nil }
        return number
    }
}
