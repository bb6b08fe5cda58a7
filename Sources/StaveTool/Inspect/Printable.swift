internal import StaveDisk

/// How the inspector shows bytes, sizes and times to people.
enum Printable {
    /// `bytes` as a word of the shell: bare where that is safe, else in double quotes with escapes.
    /// Control characters, invisible ones and bytes that are not UTF-8 never reach the terminal.
    ///
    /// - Parameter limit: bytes after which the rest is left out and counted instead.
    static func quoted(_ bytes: [UInt8], limit: Int = .max) -> String {
        // SAFETY: the array outlives the call.
        let shown = unsafe bytes.withUnsafeBytes { unsafe Array(Quoting.beginning($0, limit)) }
        let word = String(decoding: Quoting.quoted(shown), as: UTF8.self)
        return shown.count == bytes.count ? word : word + "... (\(bytes.count) bytes)"
    }

    static func hexByte(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    static func hex32(_ word: UInt32) -> String { String(hex(UInt64(word)).suffix(8)) }

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
