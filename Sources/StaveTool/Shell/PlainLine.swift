/// A line of one of the two forms that long scripts are made of, cut into its words without the
/// parser:
///
///     get KEY
///     set KEY VALUE
///
/// with one space between bare words and nothing else. Whatever the grammar could read in another
/// way is no plain line: a byte below `(`, which quotes, blanks, `#` and line ends are, and a word
/// that begins as an option or a redirection does. So a plain line means what `WordParser` says it
/// means.
@safe struct PlainLine {
    /// A set; otherwise a get.
    let isSet: Bool
    /// Both lie in the line and are valid as long as it is; a get has an empty value.
    let key: UnsafeRawBufferPointer
    let value: UnsafeRawBufferPointer
    /// Byte offset of the key in the line.
    static let keyOffset = 4

    /// Above it are no blanks, quotes, line ends and #.
    private static let limit = UInt8(ascii: "(")
    private static let get = UInt32(littleEndian: 0x2074_6567)  // "get "
    private static let set = UInt32(littleEndian: 0x2074_6573)  // "set "

    /// nil where the parser must look.
    @inline(__always)
    init?(_ line: UnsafeRawBufferPointer) {
        guard line.count > Self.keyOffset else { return nil }
        // SAFETY: the line has more bytes than are loaded.
        let name = unsafe line.loadUnaligned(as: UInt32.self)
        guard name == Self.get || name == Self.set else { return nil }
        isSet = name == Self.set
        let keyEnd = unsafe ByteScan.firstByte(
            below: Self.limit, in: line, from: Self.keyOffset)
        let valueStart = isSet ? keyEnd + 1 : keyEnd
        // SAFETY: keyEnd < line.count where a byte is read there.
        if isSet {
            guard unsafe keyEnd < line.count && line[keyEnd] == Byte.space else { return nil }
            let valueEnd = unsafe ByteScan.firstByte(below: Self.limit, in: line, from: valueStart)
            guard valueEnd == line.count else { return nil }
        } else if keyEnd < line.count {
            return nil
        }
        unsafe key = UnsafeRawBufferPointer(rebasing: line[Self.keyOffset..<keyEnd])
        unsafe value = UnsafeRawBufferPointer(rebasing: line[valueStart...])
        guard unsafe Word(bytes: key, kind: .bare, offset: 0).canBeKey && Self.isOrdinary(key),
            unsafe !isSet || Self.isOrdinary(value)
        else { return nil }
    }

    /// Whether a word that is written like this is neither an option nor begins a redirection or a
    /// pipe.
    @inline(__always)
    private static func isOrdinary(_ word: UnsafeRawBufferPointer) -> Bool {
        // SAFETY: reads the first byte of what is not empty.
        guard let first = unsafe word.first else { return false }
        return first != Byte.minus && first != Byte.less && first != Byte.greater
            && first != Byte.bar
    }
}
