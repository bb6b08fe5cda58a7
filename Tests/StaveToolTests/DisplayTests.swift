import Glibc
import TestSupport
import Testing

@testable import StaveTool

/// Frames drawn over one another show what each shows on a cleared screen, and nothing else.
final class DisplayTests {
    private var screen = Screen(columns: 20, rows: 8)
    private var ends: [Int32] = [0, 0]
    private var size = ScreenSize(columns: 20, rows: 8)

    init() {
        // SAFETY: fills in two descriptors.
        #expect(unsafe pipe(&ends) == 0)
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        #expect(TextCells.usesUTF8())
    }

    deinit { for end in ends { close(end) } }

    private func display(hasColor: Bool = false) -> Display {
        Display(descriptor: ends[1], hasColor: hasColor) { [unowned self] in size }
    }

    /// Returns the number of bytes.
    @discardableResult
    private func takeBytes() -> Int {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        // SAFETY: reads into the array.
        let count = unsafe max(0, read(ends[0], &buffer, buffer.count))
        // The terminal's own: a newline begins in the first column.
        screen.feed(buffer[..<count].flatMap { $0 == 10 ? [13, 10] : [$0] })
        return count
    }

    private func frame(_ text: String, cursor: Int, columns: Int, style: CellStyle = .plain)
        -> Frame
    {
        var rows = CellRows(columns: columns)
        var place: DisplayPlace?
        for (index, character) in text.enumerated() {
            if character == "\n" {
                if index == cursor { place = rows.place() }
                rows.newline()
                continue
            }
            rows.append(
                Cell(
                    ArraySlice(String(character).scalars), index % 7 < 3 ? style : .plain,
                    CellWidths()))
            if index == cursor { place = rows.lastCell }
        }
        return Frame(rows: rows.rows, cursor: place ?? rows.place())
    }

    private static let parts = [
        "a", "bc ", "word ", "漢", "語 ", "e\u{301}", "नमस्ते", "😀", "👩\u{200D}👧", "🇩🇪", "\n", "é", " ",
        "longer-word", "x\u{308}",
    ]

    @Test(
        "Random frames, messages, clears and resizes: the rows are those of the frame",
        arguments: 0..<40)
    func random(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        size.columns = [5, 8, 20, 40].randomElement(using: &random)!
        screen = Screen(columns: size.columns, rows: size.rows)
        let display = display(hasColor: seed % 2 == 0)
        var parts: [String] = []
        for _ in 0..<60 {
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let place = Int.random(in: 0...parts.count, using: &random)
                if random.chance(60) || place == parts.count {
                    parts.insert(Self.parts.randomElement(using: &random)!, at: place)
                } else {
                    parts.remove(at: place)
                }
            }
            if random.chance(10) { display.interrupt("message\r\n") }
            if random.chance(4) { display.clear() }
            if random.chance(8) {
                size.columns = [5, 8, 20, 40].randomElement(using: &random)!
                screen.resize(columns: size.columns, rows: size.rows)
                display.resize()
            }
            let text = parts.joined()
            let next = frame(
                text, cursor: Int.random(in: 0...text.count, using: &random), columns: size.columns,
                style: .key)
            display.show(next)
            takeBytes()
            if next.rows.count > size.rows {
                parts.removeFirst(parts.count / 2)
                continue
            }
            let first = screen.row - next.cursor.row
            #expect(min(screen.column, size.columns - 1) == next.cursor.column)
            let shown = screen.allLines[max(0, first)...].map { Self.trimmed($0) }
            var wanted = next.rows.map { Self.trimmed($0.cells.map(\.text).joined()) }
            wanted += Array(repeating: "", count: max(0, shown.count - wanted.count))
            guard first >= 0, shown == wanted else {
                Issue.record("seed \(seed): \(shown) is not \(wanted)")
                return
            }
        }
        #expect(screen.unknown == [])
    }

    private static func trimmed(_ text: String) -> String {
        var text = text
        while text.last == " " { text.removeLast() }
        return text
    }

    @Test("A character at the end of the line costs a few bytes, in color, too")
    func bytes() {
        let display = display(hasColor: true)
        size.columns = 80
        display.measure()
        var text = "store> set key "
        display.show(frame(text, cursor: text.count, columns: 80))
        takeBytes()
        for letter in "a value that goes over the end of the row and on in the next one, to and fro"
        {
            text.append(letter)
            display.show(frame(text, cursor: text.count, columns: 80, style: .string))
            #expect(takeBytes() <= 60)
        }
    }

    @Test("Equal to Swift, but other code points: both are drawn")
    func normalization() {
        let display = display()
        display.show(frame("\u{E9}", cursor: 1, columns: 20))
        display.show(frame("e\u{301}", cursor: 1, columns: 20))
        takeBytes()
        #expect(screen.allLines[0].unicodeScalars.elementsEqual("e\u{301}".unicodeScalars))
    }

    @Test("Rows are as wide as the terminal; tabs go to the next eighth column")
    func rows() {
        func place(_ text: String) -> [Int] {
            var rows = CellRows(columns: 10)
            for character in text {
                if character == "\t" { rows.tab() } else { rows.append(String(character), .plain) }
            }
            let place = rows.place()
            return [place.row, place.column]
        }
        #expect(place("123456789") == [0, 9])
        #expect(place("1234567890") == [1, 0])
        #expect(place("123456789漢") == [1, 2])
        #expect(place("a\tb") == [0, 9])
        #expect(place("\u{1}e\u{301}") == [0, 3])
        #expect(place("\u{301}") == [0, 1])
        #expect(place("\u{202E}") == [0, 6])
        #expect(TextCells.width(of: "a漢e\u{301}") == 4)
    }
}
