/// HTML as it is put together. Every tag is closed and every text escaped, so that the page is
/// well-formed XML, too.
struct Markup {
    private(set) var text = ""

    /// Text of any origin as text or attribute value.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// An element with what `body` puts inside.
    mutating func element(
        _ name: String, _ attributes: [(String, String)] = [], _ body: (inout Markup) -> Void
    ) {
        text += "<" + name + Self.list(attributes) + ">"
        body(&self)
        text += "</" + name + ">"
    }

    /// An element that holds `content`, or nothing.
    mutating func element(_ name: String, _ attributes: [(String, String)], _ content: String) {
        text += "<" + name + Self.list(attributes) + ">" + Self.escaped(content) + "</" + name + ">"
    }

    mutating func element(_ name: String, _ content: String) { element(name, [], content) }

    /// An element that never holds anything.
    mutating func void(_ name: String, _ attributes: [(String, String)]) {
        text += "<" + name + Self.list(attributes) + "/>"
    }

    /// Text of this program's own making, without `<` and `&`.
    mutating func raw(_ constant: StaticString) { text += "\(constant)" }

    mutating func newline() { text += "\n" }

    /// Rows under a title row; cells of the columns in `numbers` are set flush right, those in
    /// `optional` left out on a narrow screen.
    mutating func table(
        _ kind: String, _ titles: [String], numbers: Set<Int> = [], optional: Set<Int> = [],
        _ rows: [[(inout Markup) -> Void]]
    ) {
        func style(_ column: Int) -> [(String, String)] {
            let classes =
                (numbers.contains(column) ? ["n"] : [])
                + (optional.contains(column) ? ["optional"] : [])
            return classes.isEmpty ? [] : [("class", classes.joined(separator: " "))]
        }
        element("div", [("class", "scroll")]) { markup in
            markup.element("table", [("class", kind)]) { markup in
                markup.element("thead") { markup in
                    markup.element("tr") { markup in
                        for (column, title) in titles.enumerated() {
                            markup.element("th", style(column), title)
                        }
                    }
                }
                markup.element("tbody") { markup in
                    for row in rows {
                        markup.element("tr") { markup in
                            for (column, cell) in row.enumerated() {
                                markup.element("td", style(column), cell)
                            }
                        }
                        markup.newline()
                    }
                }
            }
        }
    }

    private static func list(_ attributes: [(String, String)]) -> String {
        attributes.map { " \($0.0)=\"\(escaped($0.1))\"" }.joined()
    }
}

/// A cell of plain text.
func cell(_ text: String) -> (inout Markup) -> Void { { $0.element("span", text) } }

/// A cell of bytes as the shell writes them.
func code(_ text: String) -> (inout Markup) -> Void { { $0.element("code", text) } }
