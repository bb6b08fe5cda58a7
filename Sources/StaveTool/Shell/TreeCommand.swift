internal import Glibc
internal import Stave

extension CommandTable {
    static let treeCommand = Command(
        "tree", "[PREFIX] [--delimiter TEXT] [--depth N] [--json]", words: 0...1, .read,
        isPaged: true, "show how many keys begin alike, level by level",
        details: [
            "A level ends with the delimiter, which is : by itself. Two levels are shown, or N.",
            "Of each group the first \(KeyTree.shownGroups) are shown; --json has all of them,"
                + " those within a group before the group.",
        ],
        options: [
            .init(
                name: "--delimiter", value: "TEXT", isText: true,
                help: "what ends a level of the key; : by itself"),
            .init(name: "--depth", value: "N", help: "how many levels; 2 by itself"),
            .init(name: "--json", help: "an object a line for each group"),
        ],
        examples: ["tree user: --depth 1", "tree --delimiter /"]
    ) { session, invocation throws(CommandError) in try session.tree(invocation) }
}

/// Keys counted by what they begin with. They come sorted, so that groups open and close like
/// brackets: memory grows with what is shown and not with the keys.
struct KeyTree {
    static let shownGroups = 50

    /// Keys that begin with `prefix`.
    struct Group {
        let prefix: [UInt8]
        /// Bytes of the prefix that the group around it has, too.
        let shared: Int
        var count = 0
        /// Lines of the groups inside, and of how many groups none is shown.
        var lines: [(depth: Int, name: [UInt8], count: Int)] = []
        var groupCount = 0
        var hiddenKeys = 0
    }

    let delimiter: [UInt8]
    let depth: Int
    /// Called with each group that ends.
    var onEnd: (_ group: Group, _ depth: Int) -> Void = { _, _ in }
    private var open: [Group]

    init(prefix: [UInt8], delimiter: [UInt8], depth: Int) {
        self.delimiter = delimiter
        self.depth = depth
        open = [Group(prefix: prefix, shared: 0)]
    }

    mutating func add(_ key: [UInt8]) {
        while open.count > 1, !key.starts(with: open.last!.prefix) { close() }
        while open.count <= depth, let end = levelEnd(in: key, from: open.last!.prefix.count) {
            open.append(Group(prefix: Array(key[..<end]), shared: open.last!.prefix.count))
        }
        open[open.count - 1].count += 1
    }

    /// Behind the next delimiter.
    private func levelEnd(in key: [UInt8], from start: Int) -> Int? {
        guard key.count - start >= delimiter.count else { return nil }
        return (start...(key.count - delimiter.count)).first {
            key[$0..<($0 + delimiter.count)].elementsEqual(delimiter)
        }.map { $0 + delimiter.count }
    }

    private mutating func close() {
        let group = open.removeLast()
        onEnd(group, open.count)
        let parent = open.count - 1
        open[parent].count += group.count
        open[parent].groupCount += 1
        guard open[parent].groupCount <= Self.shownGroups else {
            open[parent].hiddenKeys += group.count
            return
        }
        open[parent].lines.append((1, Array(group.prefix[group.shared...]), group.count))
        open[parent].lines += Self.linesInside(group).map { ($0.depth + 1, $0.name, $0.count) }
    }

    /// An empty name stands for groups that are not shown.
    static func linesInside(_ group: Group) -> [(depth: Int, name: [UInt8], count: Int)] {
        let more = group.groupCount - shownGroups
        return group.lines + (more > 0 ? [(1, [], group.hiddenKeys)] : [])
    }

    /// The whole, once all keys were added.
    mutating func finish() -> Group {
        while open.count > 1 { close() }
        onEnd(open[0], 0)
        return open[0]
    }
}

extension Session {
    func tree(_ invocation: Invocation) throws(CommandError) {
        let words = invocation.words
        let delimiter = invocation.word("--delimiter")
        if let delimiter, unsafe delimiter.bytes.isEmpty {
            throw .usage("--delimiter must not be empty", at: delimiter)
        }
        let depth = min(invocation.number("--depth") ?? 2, 100)
        var tree = KeyTree(
            prefix: words.count > 1 ? words[1].array : [],
            delimiter: delimiter?.array ?? [UInt8(ascii: ":")], depth: depth)
        let isJSON = invocation.has("--json")
        if isJSON {
            tree.onEnd = { [output] group, depth in
                let members: [(String, JSON)] = [
                    JSON.bytes("prefix", group.prefix), ("depth", .number(depth)),
                    ("keys", .number(group.count)),
                ]
                output.write(line: JSON.object(members).text)
            }
        }
        try visit(words) { (cursor) throws(StoreError) in
            guard let key = try cursor.nextKey() else { return .end }
            tree.add(key)
            return .shown
        }
        let whole = tree.finish()
        if isJSON { return }
        if whole.count == 0 { return reportNone(invocation.words) }
        show(whole)
    }

    private func show(_ whole: KeyTree.Group) {
        let name = whole.prefix.isEmpty ? "all keys" : Quoting.text(whole.prefix)
        let rows =
            [(text: name, count: whole.count, isKey: !whole.prefix.isEmpty)]
            + KeyTree.linesInside(whole).map { line in
                let indent = String(repeating: "  ", count: line.depth)
                let text = line.name.isEmpty ? "... more" : Quoting.text(line.name)
                return (indent + text, line.count, !line.name.isEmpty)
            }
        let counts = rows.map { Units.count($0.count) }
        let room = counts.map(\.count).max() ?? 1
        let columns = outputIsTerminal ? ScreenSize.of(STDOUT_FILENO).columns : Int.max
        let width = min(
            rows.map { Cells.width(of: $0.text) }.max() ?? 0, max(8, columns - room - 3))
        let hasColor = outputIsTerminal && settings.hasColor
        for (row, count) in zip(rows, counts) {
            let text = Cells.padded(Cells.cut(row.text, to: width), width)
            output.write(Palette.colored(text, Palette.key, hasColor && row.isKey))
            output.write(line: "  " + Units.padded(count, room, right: true))
        }
    }
}
