internal import CEditline

/// Text by the columns of a terminal that it takes: wide characters two, combining marks none.
enum Cells {
    // Without a locale, widths are known of ASCII only.
    private static let knowsWidths: Bool = stave_use_utf8() == 1

    static func width(of text: String) -> Int {
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
        return text.unicodeScalars.reduce(0) { $0 + width(of: $1) }
    }

    private static func width(of scalar: Unicode.Scalar) -> Int {
        if scalar.isASCII || !knowsWidths { return 1 }
        return max(0, Int(stave_width(scalar.value)))
    }

    /// As much of `text` as `room` columns hold; what was cut is told by an ellipsis.
    static func cut(_ text: String, to room: Int) -> String {
        if width(of: text) <= room { return text }
        var (result, used) = ("", 0)
        for character in text {
            let cells = character.unicodeScalars.reduce(0) { $0 + width(of: $1) }
            if used + cells > room - 1 { break }
            result.append(character)
            used += cells
        }
        return result + "…"
    }

    static func padded(_ text: String, _ room: Int, right: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, room - width(of: text)))
        return right ? space + text : text + space
    }

    /// `text` in rows of at most `room` columns, cut at blanks; from the second row on behind
    /// `indent`. A word that is longer than a row is cut.
    static func wrapped(_ text: String, room: Int, indent: String = "") -> [String] {
        if width(of: text) <= room { return [text] }
        var rows: [String] = []
        var row = ""
        var used = 0
        // Blanks between two columns of a table stay where both stand in one row.
        for piece in pieces(text) {
            var (word, cells) = (piece, width(of: piece))
            if used + cells > room, used > indent.count || rows.isEmpty && used > 0 {
                rows.append(row)
                (row, used) = (indent, indent.count)
                word = String(word.drop { $0 == " " })
                cells = width(of: word)
            }
            while used + cells > room, room > indent.count + 1, !word.isEmpty {
                let part = prefix(of: word, room - used)
                rows.append(row + part)
                (row, used) = (indent, indent.count)
                word = String(word.dropFirst(part.count))
                cells = width(of: word)
            }
            row += word
            used += cells
        }
        if used > indent.count { rows.append(row) }
        return rows.map { String($0.reversed().drop { $0 == " " }.reversed()) }
    }

    /// Words with the blanks before them.
    private static func pieces(_ text: String) -> [String] {
        var pieces: [String] = []
        var piece = ""
        var isWord = false
        for character in text {
            if character == " ", isWord {
                pieces.append(piece)
                (piece, isWord) = ("", false)
            }
            if character != " " { isWord = true }
            piece.append(character)
        }
        if isWord { pieces.append(piece) }
        return pieces
    }

    /// At least one character.
    private static func prefix(of text: String, _ room: Int) -> String {
        var (result, used) = ("", 0)
        for character in text {
            let cells = character.unicodeScalars.reduce(0) { $0 + width(of: $1) }
            if used + cells > room, !result.isEmpty { break }
            result.append(character)
            used += cells
        }
        return result
    }
}
