internal import CEditline
internal import CLinux
internal import Glibc

/// Looks for a text, or for what a regular expression describes, in bytes of any kind.
///
/// Regular expressions are POSIX's extended ones, those of grep -E, by the C library: it is there
/// anyway, takes bytes as they lie without making a string of them, and adds nothing to the time
/// that a start takes. Swift's Regex would have to decode every value first, and brings some
/// megabytes.
@safe final class TextSearch {
    private var expression = unsafe regex_t()
    private let isCompiled: Bool
    private let text: [UInt8]

    /// Throws what is wrong with the expression.
    init(_ text: [UInt8], isExpression: Bool, ignoresCase: Bool) throws(InvalidExpression) {
        self.text = text
        guard isExpression || ignoresCase else {
            isCompiled = false
            return
        }
        // Characters are those of UTF-8, and have cases.
        _ = stave_use_utf8()
        let pattern = isExpression ? text : Self.escaped(text)
        guard !pattern.contains(0) else {
            isCompiled = false
            throw InvalidExpression(reason: "it holds a NUL")
        }
        let flags = REG_EXTENDED | (ignoresCase ? REG_ICASE : 0) | REG_NEWLINE
        // SAFETY: the pattern ends with a NUL; the expression is freed once, in deinit.
        let code = unsafe regcomp(&expression, pattern.map { CChar(bitPattern: $0) } + [0], flags)
        isCompiled = code == 0
        if code != 0 { throw InvalidExpression(reason: Self.reason(code)) }
    }

    deinit {
        // SAFETY: it was compiled, and nothing uses it any more.
        if isCompiled { unsafe regfree(&expression) }
    }

    private static func escaped(_ text: [UInt8]) -> [UInt8] {
        text.flatMap { byte -> [UInt8] in
            "\\^$.[]|()*+?{}".utf8.contains(byte) ? [Byte.backslash, byte] : [byte]
        }
    }

    private static func reason(_ code: Int32) -> String {
        var text = [CChar](repeating: 0, count: 200)
        // SAFETY: writes into the array, with its NUL.
        unsafe regerror(code, nil, &text, text.count)
        return String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self
        )
        .lowercased()
    }

    /// Where it stands first; nil where it does not.
    func firstMatch(in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        if isCompiled { return unsafe firstMatchOfExpression(bytes) }
        if text.isEmpty { return 0..<0 }
        guard let start = bytes.baseAddress,
            // SAFETY: both lie where they lie through the call.
            let found = unsafe stave_find(start, bytes.count, text, text.count)
        else { return nil }
        let offset = unsafe found - start
        return offset..<(offset + text.count)
    }

    private func firstMatchOfExpression(_ bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        var match = regmatch_t(rm_so: 0, rm_eo: regoff_t(clamping: bytes.count))
        var nothing: CChar = 0
        // SAFETY: with REG_STARTEND the bytes between the offsets are read and no others, NULs too.
        let code = unsafe withUnsafePointer(to: &nothing) { empty in
            let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self) ?? empty
            return unsafe regexec(&expression, start, 1, &match, Int32(1 << 2))
        }
        // Out of memory counts as no match: there is no other answer for one value.
        guard code == 0, match.rm_so >= 0, match.rm_eo >= match.rm_so else { return nil }
        return Int(match.rm_so)..<Int(match.rm_eo)
    }
}

struct InvalidExpression: Error { let reason: String }
