/// Numbers for people. Foundation is not worth its start-up time here.
enum Units {
    /// `12,345`.
    static func count(_ number: Int) -> String {
        var digits: [Character] = []
        for (index, digit) in String(number.magnitude).reversed().enumerated() {
            if index > 0 && index % 3 == 0 { digits.append(",") }
            digits.append(digit)
        }
        return (number < 0 ? "-" : "") + String(digits.reversed())
    }

    /// `1 segment`, `12 segments`.
    static func count(_ number: Int, _ noun: String) -> String {
        count(number) + " " + noun + (number == 1 ? "" : "s")
    }

    /// `512 B`, `1.5 KiB`, `2.0 GiB`.
    static func bytes(_ number: Int) -> String {
        guard number >= 1024 else { return "\(number) B" }
        var value = Double(number)
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        // 1023.96 KiB would be written as 1024.0 KiB.
        if value >= 1023.95, unit < units.count - 1 { (value, unit) = (1, unit + 1) }
        return "\(decimal(value)) \(units[unit])"
    }

    /// One digit behind the point.
    static func decimal(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(abs(tenths % 10))"
    }

    static func duration(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let micros = Double(seconds) * 1e6 + Double(attoseconds) / 1e12
        if micros < 1000 { return "\(decimal(micros)) µs" }
        if micros < 1_000_000 { return "\(decimal(micros / 1000)) ms" }
        return "\(decimal(micros / 1_000_000)) s"
    }

    /// `12 s`, `3 min`, `5 h`, `2 d`: rounded down.
    static func span(seconds: Int) -> String {
        switch seconds {
        case ..<60: "\(max(0, seconds)) s"
        case ..<3600: "\(seconds / 60) min"
        case ..<86400: "\(seconds / 3600) h"
        default: "\(count(seconds / 86400)) d"
        }
    }

    /// A number of bytes as it is written for an option: digits, and K, M or G for powers of 1024.
    static func parseBytes(_ text: String) -> Int? {
        var digits = text.uppercased()
        var shift = 0
        for (suffix, power) in [("K", 10), ("M", 20), ("G", 30)] {
            for ending in [suffix + "IB", suffix + "B", suffix] where digits.hasSuffix(ending) {
                digits.removeLast(ending.count)
                shift = power
                break
            }
            if shift > 0 { break }
        }
        guard let number = Int(digits), number >= 0, number <= Int.max >> shift else { return nil }
        return number << shift
    }

    /// A label and a text behind it, cut at blanks where a line would be longer than `columns`; the
    /// lines that follow are indented like the text. A word that is longer than a line stays whole.
    static func wrapped(_ text: String, behind label: String = "", columns: Int) -> String {
        // The last column stays free.
        let room = max(10, columns - label.count - 1)
        var lines: [String] = []
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if let last = lines.last, last.count + 1 + word.count <= room {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return label
            + lines.joined(separator: "\n" + String(repeating: " ", count: label.count))
    }

    static func padded(_ text: String, _ width: Int, right: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return right ? space + text : text + space
    }
}
