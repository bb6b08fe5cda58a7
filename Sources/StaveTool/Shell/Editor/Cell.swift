internal import CEditline

/// Text that is edited, by code points, as libedit has it.
typealias Scalars = [Unicode.Scalar]

extension Scalars {
    var string: String { String(String.UnicodeScalarView(self)) }
}

extension String {
    var scalars: Scalars { Array(unicodeScalars) }
}

/// How a cell looks: of the terminal's own sixteen colors, so that the person's palette decides.
enum CellStyle: UInt8 {
    case plain, name, dim, command, unknown, key, option, string, open, ghost, lit, control, match

    /// What stands in `ESC [ ... m`.
    var code: String {
        switch self {
        case .plain: ""
        case .name: "1"
        case .dim: "2"
        case .command: "32"
        case .unknown: "31"
        case .key: "36"
        case .option: "35"
        case .string: "33"
        case .open: "1;33"
        case .ghost: "90"
        case .lit: "1"
        case .control: "7"
        case .match: "1;4"
        }
    }

    /// Whether a blank shows it.
    var marksBlanks: Bool { self == .control || self == .match }
}

/// Text in pieces of one style each.
typealias StyledText = [(text: String, style: CellStyle)]

/// What stands in one place of a row: a grapheme cluster, or what stands for one that cannot be
/// shown.
struct Cell: Equatable {
    var text: String
    /// Columns.
    var width: Int
    var style: CellStyle
    /// Terminals differ about its width: it is written on cleared cells, and the column is set
    /// behind it.
    var isUncertain = false
    /// The most columns that a terminal may take for it.
    var worst = 0

    /// By code points: for Swift, é equals e with U+0301, and the terminal has one of them.
    static func == (a: Cell, b: Cell) -> Bool {
        a.width == b.width && a.style == b.style && a.isUncertain == b.isUncertain
            && a.text.utf8.elementsEqual(b.text.utf8)
    }

    static let blank = Cell(text: " ", width: 1, style: .plain)

    /// - Parameter scalars: one grapheme cluster, and neither a tab nor a newline.
    init(_ scalars: ArraySlice<Unicode.Scalar>, _ style: CellStyle, _ widths: CellWidths) {
        let first = scalars.first!
        if first.value < 0x20 || first.value == 0x7F {
            let letter = Unicode.Scalar(UInt8(first.value ^ 0x40))
            self.init(text: "^\(letter)", width: 2, style: .control)
        } else if scalars.count == 1, first.value < 0x7F {
            self.init(text: String(Character(first)), width: 1, style: style)
        } else if TextCells.width(of: first) == 0 {
            self.init(withoutBase: scalars, style)
        } else {
            self.init(cluster: scalars, style, widths)
        }
    }

    init(text: String, width: Int, style: CellStyle) {
        (self.text, self.width, self.style) = (text, width, style)
    }

    /// A mark with nothing to stand on gets a circle; what cannot be seen is spelled.
    private init(withoutBase scalars: ArraySlice<Unicode.Scalar>, _ style: CellStyle) {
        let first = scalars.first!
        if scalars.count == 1, first.properties.generalCategory == .format {
            let name = "<" + String(first.value, radix: 16, uppercase: true) + ">"
            self.init(text: name, width: name.utf8.count, style: .control)
        } else {
            let width = scalars.reduce(1) { $0 + TextCells.width(of: $1) }
            self.init(text: "\u{25CC}" + Scalars(scalars).string, width: width, style: style)
        }
    }

    private init(
        cluster scalars: ArraySlice<Unicode.Scalar>, _ style: CellStyle, _ widths: CellWidths
    ) {
        let first = scalars.first!
        let own = TextCells.width(of: first)
        let parts = scalars.reduce(0) { $0 + TextCells.width(of: $1) }
        var total = own
        isUncertain = stave_width(first.value) < 0 || parts != own
        var previous = first
        for scalar in scalars.dropFirst() {
            switch scalar.value {
            case 0x200D: isUncertain = true
            case 0xFE0F:
                isUncertain = true
                if total == 1, widths.widens { total = 2 }
            case 0x1F3FB...0x1F3FF where widths.tints: break
            default:
                if !(previous.value == 0x200D && widths.joins) {
                    total += TextCells.width(of: scalar)
                }
            }
            previous = scalar
        }
        if (0x1F1E6...0x1F1FF).contains(first.value) {
            isUncertain = true
            if scalars.count == 2, let flag = widths.flag { total = flag }
        }
        // Half a flag, or a character that this system does not know: a gap is better than a hidden
        // neighbour.
        if scalars.count == 1, isUncertain { total = 2 }
        // A joiner with nothing behind it would take the next cell's character in.
        let shown = previous.value == 0x200D ? scalars.dropLast() : scalars
        text = Scalars(shown).string
        (width, self.style) = (total, style)
        worst = isUncertain && !widths.isMeasured ? max(parts, total, 2) : total
    }
}

/// How wide this terminal draws what terminals draw differently. Until it is measured, each part of
/// a cluster takes the columns that it has by itself.
struct CellWidths: Equatable {
    var isMeasured = false
    /// What follows a joiner takes no columns of its own.
    var joins = false
    /// A variation selector makes a narrow character wide.
    var widens = false
    /// A skin tone takes no columns of its own.
    var tints = false
    /// Columns of two letters that make a flag.
    var flag: Int?

    /// Written to the terminal, which says where the cursor stands behind each.
    static let samples = [
        "\u{1F469}\u{200D}\u{1F467}", "\u{2764}\u{FE0F}", "\u{1F1E9}\u{1F1EA}",
        "\u{1F44D}\u{1F3FD}",
    ]

    mutating func set(sample: Int, width: Int) {
        isMeasured = sample == Self.samples.count - 1
        switch sample {
        case 0: joins = width == 2
        case 1: widens = width == 2
        case 2: flag = (2...4).contains(width) ? width : nil
        default: tints = width == 2
        }
    }
}

/// Grapheme clusters of a text, and columns of a terminal.
enum TextCells {
    /// Where each grapheme cluster ends. Between two neighbours below U+0300 is a boundary; only
    /// stretches of others go through `Character`.
    static func ends(_ text: Scalars) -> [Int] {
        var ends: [Int] = []
        ends.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            var end = index + 1
            while end < text.count, text[end].value >= 0x300 { end += 1 }
            if end == index + 1 {
                ends.append(end)
            } else {
                for character in Scalars(text[index..<end]).string {
                    index += character.unicodeScalars.count
                    ends.append(index)
                }
            }
            index = end
        }
        return ends
    }

    /// Takes a locale in which widths are known; false where there is none.
    static func usesUTF8() -> Bool { stave_use_utf8() == 1 }

    static func width(of text: String) -> Int {
        if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return text.utf8.count }
        return text.reduce(0) {
            $0 + Cell(ArraySlice(Scalars($1.unicodeScalars)), .plain, CellWidths()).width
        }
    }

    /// Columns that a terminal takes for it; an unknown one is guessed.
    static func width(of scalar: Unicode.Scalar) -> Int {
        let width = Int(stave_width(scalar.value))
        return width >= 0 ? width : scalar.value >= 0x1F000 ? 2 : 1
    }
}
