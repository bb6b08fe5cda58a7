/// The page's drawings: SVG of rectangles, as wide as there is room.
enum Drawing {
    /// A drawing of `width` units, of whatever shape.
    static func band(width: Int, height: Int = 1) -> [(String, String)] {
        [
            // The table beside it says the same in words.
            ("viewBox", "0 0 \(width) \(height)"), ("preserveAspectRatio", "none"),
            ("aria-hidden", "true"),
        ]
    }

    /// The width of a drawing of bytes. Not the bytes themselves: browsers keep coordinates in few
    /// bits (Blink up to 2^25), and draw the bar of ten gigabytes as a thin line.
    static let units = 100_000

    /// Where each of the parts lies in a drawing of `units`.
    static func places(of parts: [Int]) -> [Range<Int>] {
        let whole = Double(max(1, parts.reduce(0, +)))
        var (sum, start) = (0, 0)
        return parts.map { part in
            sum += part
            let end = Int((Double(sum) * Double(units) / whole).rounded())
            defer { start = end }
            return start..<end
        }
    }

    static func bar(
        _ markup: inout Markup, from start: Int, _ length: Int, _ style: String, _ title: String
    ) {
        markup.element(
            "rect",
            [
                ("class", style), ("x", "\(start)"), ("y", "0"), ("width", "\(length)"),
                ("height", "1"),
            ]
        ) { $0.element("title", title) }
    }

    /// Parts beside each other, of a cell that stands for `whole`.
    static func cell(
        _ parts: [(count: Int, style: String)], of whole: Int
    ) -> (inout Markup) -> Void {
        { markup in
            markup.element("svg", band(width: 1000)) { markup in
                var start = 0
                for (count, style) in parts where count > 0 && whole > 0 {
                    // What is there at all is seen.
                    let width = max(4, Int(Double(count) * 1000 / Double(whole)))
                    markup.void(
                        "rect",
                        [
                            ("class", style), ("x", "\(start)"), ("y", "0"),
                            ("width", "\(width)"), ("height", "1"),
                        ])
                    start += width
                }
            }
        }
    }

    // MARK: The map

    private static let height = 12
    private static let shares: [(SegmentSpace.Share, String, String)] = [
        (.live, "live", "live"), (.tombstones, "tombstones", "tombstones"),
        (.dead, "dead", "dead"), (.reserved, "reserved", "reserved"),
        (.damaged, "damaged", "damage"),
    ]

    static func legend(_ markup: inout Markup) {
        markup.element("ul", [("class", "legend")]) { markup in
            for (_, style, name) in shares {
                markup.element("li") { markup in
                    markup.element("svg", band(width: 1)) { bar(&$0, from: 0, 1, style, name) }
                    markup.element("span", name)
                }
            }
        }
    }

    /// A segment's cells, the shares in each stacked; damage takes all of its cell.
    static func map(_ segment: SegmentSpace) -> (inout Markup) -> Void {
        { markup in
            markup.element("svg", band(width: Page.cells, height: height)) { markup in
                let stacks = (0..<segment.cellCount).map { stack(segment, $0) }
                for (index, (_, style, _)) in shares.enumerated() {
                    let path = path(stacks, index)
                    if !path.isEmpty { markup.void("path", [("class", style), ("d", path)]) }
                }
            }
        }
    }

    /// Where each share of a cell ends, from the bottom, in twelfths.
    private static func stack(_ segment: SegmentSpace, _ cell: Int) -> [Int] {
        if segment.share(of: cell) == .damaged {
            return shares.map { $0.0 == .damaged ? height : 0 }
        }
        let counts = shares.map { max(0, segment.bytes(of: cell, $0.0)) }
        let all = max(1, counts.reduce(0, +))
        var sum = 0
        return counts.map { count in
            sum += count
            return (sum * height + all / 2) / all
        }
    }

    /// Rectangles of one share; neighbours of the same height are one.
    private static func path(_ stacks: [[Int]], _ share: Int) -> String {
        var path = ""
        var cell = 0
        while cell < stacks.count {
            let low = share == 0 ? 0 : stacks[cell][share - 1]
            let high = stacks[cell][share]
            var end = cell + 1
            while end < stacks.count, stacks[end][share] == high,
                (share == 0 ? 0 : stacks[end][share - 1]) == low
            { end += 1 }
            if high > low {
                let width = end - cell
                path += "M\(cell) \(height - high)h\(width)v\(high - low)h-\(width)z"
            }
            cell = end
        }
        return path
    }

    /// The color of a kind of bytes.
    static func style(ofKind name: String) -> String {
        switch SegmentSpace.Kind.allCases.first(where: { $0.name == name }) {
        case .live: "live"
        case .dead: "dead"
        case .tombstones: "tombstones"
        case .reserved: "reserved"
        case .damaged, .torn: "damaged"
        case .headers, .other, nil: "other"
        }
    }
}
