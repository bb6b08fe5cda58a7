import Stave
import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

/// Reports on narrow screens, and maps that show as much of each share as there is.
struct InspectWidthTests {
    private let rows = [
        ["segment", "state", "size", "oldest", "what"],
        ["0000000001", "sealed", "1.0 KiB", "2026-11-22T19:50:40Z", "a finding in many words"],
        ["0000000002", "active", "15.0 KiB", "2026-11-22T19:50:41Z", "another one, 語語語"],
        ["total", "", "16.0 KiB"],
    ]

    private func table(_ columns: Int?, optional: [Int] = []) -> [Substring] {
        let output = Output(isKept: true, columns: columns)
        output.table(rows, right: [2], optional: optional)
        return output.text.split(separator: "\n")
    }

    @Test("No line of a table is wider than the screen, and every word is there")
    func widths() {
        for columns in 24...100 {
            let lines = table(columns)
            #expect(lines.allSatisfy { Cells.width(of: String($0)) <= columns }, "\(columns)")
            let words = lines.joined(separator: " ").split { " ,".contains($0) }
            for word in rows.joined().flatMap({ $0.split { " ,".contains($0) } }) {
                #expect(words.contains(word), "\(columns): \(word)")
            }
        }
    }

    @Test("A wide screen and a pipe have all columns; what can be left out goes first")
    func optional() {
        #expect(table(nil).count == 4)
        #expect(table(100) == table(nil))
        let narrow = table(60, optional: [3])
        #expect(narrow.count == 4)
        #expect(narrow[0].hasSuffix("what") && !narrow[0].contains("oldest"))
    }

    @Test("Lines are cut between words, and only where they are too long")
    func wrapping() {
        #expect(Cells.wrapped("one two three", room: 20) == ["one two three"])
        #expect(Cells.wrapped("one two three", room: 8, indent: "  ") == ["one two", "  three"])
        #expect(Cells.wrapped("語語語語", room: 5) == ["語語", "語語"])
        #expect(Cells.wrapped("a  bbbbbbbbbb", room: 6, indent: " ") == ["a", " bbbbb", " bbbbb"])
        #expect(Cells.cut("abcdef", to: 4) == "abc…")
        #expect(Cells.cut("語語語", to: 4) == "語…")
    }

    @Test("A map gives each share as many cells as it has bytes")
    func proportions() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("store")
        var store = try Store(path: path, options: .small(1 << 20))
        let value = String(repeating: "v", count: 100)
        for number in 0..<1000 { try store.set(value, forKey: "key\(number)") }
        // Every third one, so that each cell has more live bytes than dead ones.
        for number in stride(from: 0, to: 1000, by: 3) { try store.set("", forKey: "key\(number)") }
        try store.close()
        store = try Store(path: path, options: .small(1 << 20))
        try store.close()
        let directory = try Directory(path: path)
        let survey = try StoreSurvey(directory, .entries)
        let space = SpaceSurvey(survey, in: directory, delimiter: [58], cells: 60)
        let segment = try #require(space.segments.first { $0.bytes(.dead) > 10_000 })
        let size = Double(segment.survey.fileSize)
        for (kind, share) in [(SegmentSpace.Kind.live, SegmentSpace.Share.live), (.dead, .dead)] {
            let cells = segment.shares.count { $0 == share }
            let wanted = Double(segment.bytes(kind)) / size * Double(segment.cellCount)
            #expect(abs(Double(cells) - wanted) <= 2, "\(share): \(cells), not \(wanted)")
        }
    }

    @Test("stats and --space tell the same numbers")
    func sameNumbers() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("store")
        let store = try Store(path: path, options: .small(16 << 10))
        for number in 0..<500 { try store.set("value \(number)", forKey: "key\(number % 90)") }
        for number in 0..<9 { try store.removeValue(forKey: "key\(number)") }
        try store.close()
        var options = StoreOptions()
        options.access = .readOnly
        let statistics = try Store(path: path, options: options).statistics()
        let directory = try Directory(path: path)
        let survey = try StoreSurvey(directory, .entries)
        let space = SpaceSurvey(survey, in: directory, delimiter: [58], cells: 60)
        #expect(space.bytes(.live) == statistics.liveBytes)
        #expect(space.bytes(.dead) == statistics.deadBytes)
        #expect(space.bytes(.tombstones) == statistics.tombstoneBytes)
    }
}
