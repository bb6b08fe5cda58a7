/// A pattern for whole keys: `*` any bytes, `?` one character, `[a-z]` one of some, `[!a-z]` one of
/// the others, and a backslash takes the next character as it is. A character is a byte where the
/// bytes are not UTF-8.
struct Glob {
    private enum Part {
        case one(UInt32)
        case anyOne
        case any
        case set([ClosedRange<UInt32>], isInverted: Bool)
    }

    private let parts: [Part]
    /// The bytes that every key begins with that it matches.
    let head: [UInt8]

    /// nil where a `[` is not closed.
    init?(_ pattern: [UInt8]) {
        let characters = Self.characters(pattern)
        var parts: [Part] = []
        var head: [UInt8] = []
        var isLiteral = true
        var index = 0
        while index < characters.count {
            let (value, bytes) = characters[index]
            index += 1
            switch Unicode.Scalar(value) {
            case "*"? where parts.last.map(Self.isAny) != true: parts.append(.any)
            case "*"?: break
            case "?"?: parts.append(.anyOne)
            case "["?:
                guard let set = Self.set(characters, &index) else { return nil }
                parts.append(set)
            case "\\"? where index < characters.count:
                parts.append(.one(characters[index].value))
                if isLiteral { head += characters[index].bytes }
                index += 1
                continue
            default:
                parts.append(.one(value))
                if isLiteral { head += bytes }
                continue
            }
            isLiteral = false
        }
        self.parts = parts
        self.head = head
    }

    private static func isAny(_ part: Part) -> Bool { if case .any = part { true } else { false } }

    /// What is between `[` and `]`; a `]` right at the start stands for itself.
    private static func set(
        _ characters: [(value: UInt32, bytes: ArraySlice<UInt8>)], _ index: inout Int
    ) -> Part? {
        func value(_ index: Int) -> UInt32? {
            index < characters.count ? characters[index].value : nil
        }
        let isInverted = value(index) == 0x21 || value(index) == 0x5E
        if isInverted { index += 1 }
        let start = index
        var ranges: [ClosedRange<UInt32>] = []
        while let low = value(index) {
            index += 1
            if low == 0x5D, index > start + 1 { return .set(ranges, isInverted: isInverted) }
            guard value(index) == 0x2D, let high = value(index + 1), high != 0x5D else {
                ranges.append(low...low)
                continue
            }
            index += 2
            if low <= high { ranges.append(low...high) }
        }
        return nil
    }

    /// Scalars; a byte that is not UTF-8 has a number that no scalar has.
    private static func characters(_ bytes: [UInt8]) -> [(value: UInt32, bytes: ArraySlice<UInt8>)]
    {
        // SAFETY: the array outlives the call.
        unsafe bytes.withUnsafeBytes { buffer in
            var result: [(value: UInt32, bytes: ArraySlice<UInt8>)] = []
            var index = 0
            while index < buffer.count {
                let (value, length) = unsafe character(buffer, index)
                result.append((value, bytes[index..<(index + length)]))
                index += length
            }
            return result
        }
    }

    private static func character(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> (UInt32, Int) {
        // SAFETY: index < count.
        if let (scalar, length) = unsafe UTF8Scan.scalar(bytes, index) {
            return (scalar.value, length)
        }
        return (unsafe 0x11_0000 + UInt32(bytes[index]), 1)
    }

    /// Goes back to the last `*` where the rest does not match: time grows with the product of both
    /// lengths at most.
    func matches(_ key: UnsafeRawBufferPointer) -> Bool {
        var (part, index) = (0, 0)
        var retry: (part: Int, index: Int)?
        while index < key.count {
            if part < parts.count, case .any = parts[part] {
                retry = (part, index)
                part += 1
                continue
            }
            // SAFETY: index < count.
            let (value, length) = unsafe Self.character(key, index)
            if part < parts.count, Self.fits(parts[part], value) {
                (part, index) = (part + 1, index + length)
                continue
            }
            guard let last = retry else { return false }
            let (_, skipped) = unsafe Self.character(key, last.index)
            retry = (last.part, last.index + skipped)
            (part, index) = (last.part + 1, last.index + skipped)
        }
        return parts[part...].allSatisfy(Self.isAny)
    }

    private static func fits(_ part: Part, _ value: UInt32) -> Bool {
        switch part {
        case .one(let wanted): wanted == value
        case .anyOne: true
        case .set(let ranges, let isInverted): ranges.contains { $0.contains(value) } != isInverted
        case .any: false
        }
    }
}
