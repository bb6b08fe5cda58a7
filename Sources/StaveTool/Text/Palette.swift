/// The colors of the shell, the maps and the messages: one for each thing, the same everywhere. The
/// page of `--html` has them too (`PageStyle`). Green, red, magenta and cyan are readable on dark
/// and on light; yellow is not.
enum Palette {
    static let live = "32"
    /// Dim: what is dead is not to be looked at.
    static let dead = "2"
    static let tombstones = "35"
    static let reserved = "2"
    static let damage = "31"
    static let error = "31"
    static let key = "36"
    /// What was searched for.
    static let match = "1"
    static let label = "2"

    static func colored(_ text: String, _ code: String, _ hasColor: Bool = true) -> String {
        hasColor && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}
