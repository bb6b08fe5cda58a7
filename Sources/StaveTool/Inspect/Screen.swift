internal import Glibc

/// What standard output can show.
struct Screen {
    /// Columns.
    var width: Int
    var hasColor: Bool
    /// No characters but ASCII.
    var isPlain: Bool

    static let widths = 40...200

    /// As terminal and environment say; 80 columns where neither does.
    static var current: Screen {
        var size = winsize()
        // SAFETY: the call fills in the struct.
        unsafe _ = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size)
        let told = Environment.value("COLUMNS").flatMap { Int($0) }
        let width = size.ws_col > 0 ? Int(size.ws_col) : told ?? 80
        // The first of these that is set decides, as in POSIX.
        let names = ["LC_ALL", "LC_CTYPE", "LANG"]
        let locale = names.lazy.compactMap(Environment.value).first ?? "C"
        let folded = locale.lowercased()
        let isUTF8 = folded.contains("utf-8") || folded.contains("utf8")
        return Screen(
            width: min(max(width, widths.lowerBound), widths.upperBound),
            hasColor: isatty(STDOUT_FILENO) == 1 && Environment.allowsColor,
            isPlain: !isUTF8 || Environment.value("TERM") == "dumb")
    }

    func colored(_ text: String, _ code: String) -> String {
        Palette.colored(text, code, hasColor)
    }
}
