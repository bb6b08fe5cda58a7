internal import StaveDisk

/// How the inspector shows bytes, sizes and times to people.
enum Printable {
    /// `bytes` as a word of the shell: bare where that is safe, else in double quotes with escapes.
    /// Control characters, invisible ones and bytes that are not UTF-8 never reach the terminal.
    ///
    /// - Parameter limit: bytes after which the rest is left out and counted instead.
    static func quoted(_ bytes: [UInt8], limit: Int = .max) -> String {
        let shown = bytes.count <= limit ? bytes[...] : bytes[..<limit]
        let text = shown.allSatisfy(isBare) && !shown.isEmpty ? "" : "\""
        let word = text + escaped(shown) + text
        return shown.count == bytes.count ? word : word + "... (\(bytes.count) bytes)"
    }

    private static func isBare(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "_-.:/@+=,%".utf8.contains(byte)
        }
    }

    private static func escaped(_ bytes: ArraySlice<UInt8>) -> String {
        var text = ""
        var rest = bytes
        while let byte = rest.first {
            switch byte {
            case UInt8(ascii: "\n"): text += "\\n"
            case UInt8(ascii: "\r"): text += "\\r"
            case UInt8(ascii: "\t"): text += "\\t"
            case UInt8(ascii: "\\"): text += "\\\\"
            case UInt8(ascii: "\""): text += "\\\""
            case 0: text += "\\0"
            case 0x20..<0x7f: text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                if let (scalar, length) = character(at: rest), isVisible(scalar) {
                    text.unicodeScalars.append(scalar)
                    rest = rest.dropFirst(length)
                    continue
                }
                text += "\\x" + hexByte(byte)
            }
            rest = rest.dropFirst()
        }
        return text
    }

    /// The UTF-8 sequence of two to four bytes at the start of `bytes`.
    private static func character(at bytes: ArraySlice<UInt8>) -> (Unicode.Scalar, length: Int)? {
        guard let first = bytes.first, first >= 0xc2, first < 0xf5 else { return nil }
        let length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
        let sequence = bytes.prefix(length)
        guard sequence.count == length, let text = String(validating: sequence, as: UTF8.self),
            text.unicodeScalars.count == 1, let scalar = text.unicodeScalars.first
        else { return nil }
        return (scalar, length)
    }

    private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
            .paragraphSeparator:
            false
        default: true
        }
    }

    static func hexByte(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    static func hex32(_ word: UInt32) -> String { String(hex(UInt64(word)).suffix(8)) }

    /// `bytes` in the largest binary unit of which there is at least one: "1.5 MiB".
    static func size(_ bytes: Int) -> String {
        if bytes < 1024 { return "\(bytes) B" }
        var unit = 1024
        var names = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"][...]
        while names.count > 1, bytes / 1024 >= unit {
            unit *= 1024
            names.removeFirst()
        }
        let (whole, tenth) = (bytes / unit, bytes % unit * 10 / unit)
        return tenth == 0 || whole >= 100
            ? "\(whole) \(names[names.startIndex])" : "\(whole).\(tenth) \(names[names.startIndex])"
    }

    static func count(_ number: Int, _ word: String) -> String {
        "\(number) \(word)\(number == 1 ? "" : "s")"
    }

    static func padded(_ text: String, to width: Int, onLeft: Bool = false) -> String {
        let spaces = String(repeating: " ", count: max(0, width - text.count))
        return onLeft ? spaces + text : text + spaces
    }

    /// Seconds since 1970 in ISO 8601, UTC.
    ///
    /// The date comes from Howard Hinnant's civil_from_days ("chrono-Compatible Low-Level Date
    /// Algorithms", section 3), for days from 1970 on.
    static func time(_ seconds: UInt32) -> String {
        let (day, second) = (Int(seconds) / 86_400, Int(seconds) % 86_400)
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let date = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        let clock = [second / 3600, second / 60 % 60, second % 60].map(twoDigits)
        return "\(year)-\(twoDigits(month))-\(twoDigits(date))T"
            + clock.joined(separator: ":") + "Z"
    }

    private static func twoDigits(_ number: Int) -> String {
        number < 10 ? "0\(number)" : "\(number)"
    }
}
