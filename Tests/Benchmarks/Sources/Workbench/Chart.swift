import Foundation

/// A chart of dots on a logarithmic scale, as SVG that is readable on a light and on a dark page: a
/// row a workload, a dot an engine.
struct Chart {
    struct Dot {
        var engine: Int
        var value: Double
    }
    var title: String
    /// What the scale counts.
    var unit: String
    /// Engines by the number of their colour; 0 is Stave, 1 the floor.
    var engines: [(number: Int, name: String)]
    var rows: [(name: String, dots: [Dot])]

    private static let width = 880.0
    private static let left = 210.0
    private static let right = 24.0
    private static let rowHeight = 26.0
    private static let colors = [
        "#e5254b", "#8a8f98", "#e69f00", "#009e73", "#56b4e9", "#1f78c8", "#cc79a7", "#d55e00",
        "#a67c52", "#8b6fd0",
    ]
    private static let style = """
        <style>
        .page { fill: #ffffff } .text { fill: #1f2328 } .dim { fill: #59636e }
        .line { stroke: #d1d9e0 } .ring { stroke: #ffffff }
        @media (prefers-color-scheme: dark) {
        .page { fill: #0d1117 } .text { fill: #f0f6fc } .dim { fill: #9198a1 }
        .line { stroke: #3d444d } .ring { stroke: #0d1117 }
        }
        text { font-family: system-ui, -apple-system, 'DejaVu Sans', sans-serif; font-size: 12px }
        </style>
        """

    func svg() -> String {
        let legendRows = (engines.count + 3) / 4
        let top = 44 + Double(legendRows) * 20 + 10
        let bottom = top + Double(rows.count) * Chart.rowHeight
        let height = bottom + 44
        let values = rows.flatMap { $0.dots.map(\.value) }.filter { $0 > 0 }
        let low = floor(log10(values.min() ?? 1))
        let high = max(low + 1, ceil(log10(values.max() ?? 10)))
        func x(_ value: Double) -> Double {
            let part = (log10(max(value, pow(10, low))) - low) / (high - low)
            return Chart.left + part * (Chart.width - Chart.left - Chart.right)
        }
        var lines = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Chart.number(Chart.width)) \
            \(Chart.number(height))" role="img" aria-label="\(title)">
            """, Chart.style,
            "<rect class=\"page\" width=\"100%\" height=\"100%\" rx=\"6\"/>",
            text(16, 26, title, "text", extra: " font-weight=\"600\" style=\"font-size:15px\""),
        ]
        lines += legend()
        for power in Int(low)...Int(high) {
            let place = x(pow(10, Double(power)))
            lines.append(
                "<line class=\"line\" x1=\"\(Chart.number(place))\" x2=\"\(Chart.number(place))\" "
                    + "y1=\"\(Chart.number(top - 6))\" y2=\"\(Chart.number(bottom))\"/>")
            lines.append(text(place, bottom + 16, Chart.label(power), "dim", anchor: "middle"))
        }
        lines.append(
            text((Chart.left + Chart.width) / 2, bottom + 34, unit, "dim", anchor: "middle"))
        for (index, row) in rows.enumerated() {
            let y = top + (Double(index) + 0.5) * Chart.rowHeight
            lines.append(
                "<line class=\"line\" x1=\"\(Chart.number(Chart.left))\" "
                    + "x2=\"\(Chart.number(Chart.width - Chart.right))\" y1=\"\(Chart.number(y))\" "
                    + "y2=\"\(Chart.number(y))\" stroke-dasharray=\"1 4\"/>")
            lines.append(text(Chart.left - 12, y + 4, row.name, "text", anchor: "end"))
            // Stave last, on top of the others.
            for dot in row.dots.sorted(by: { $0.engine > $1.engine }) {
                lines.append(mark(dot.engine, x(dot.value), y))
            }
        }
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }

    private func legend() -> [String] {
        engines.enumerated().flatMap { index, engine in
            let x = 22 + Double(index % 4) * 212
            let y = 48 + Double(index / 4) * 20
            return [mark(engine.number, x, y), text(x + 12, y + 4, engine.name, "text")]
        }
    }

    /// Engines differ by shape as well as by colour.
    private func mark(_ engine: Int, _ x: Double, _ y: Double) -> String {
        let color = Chart.colors[engine % Chart.colors.count]
        let (x1, y1) = (Chart.number(x), Chart.number(y))
        switch engine {
        case 0:
            return "<circle class=\"ring\" cx=\"\(x1)\" cy=\"\(y1)\" r=\"7\" fill=\"\(color)\" "
                + "stroke-width=\"1.5\"/>"
        case 1:
            return "<line x1=\"\(x1)\" x2=\"\(x1)\" y1=\"\(Chart.number(y - 9))\" "
                + "y2=\"\(Chart.number(y + 9))\" stroke=\"\(color)\" stroke-width=\"3.5\"/>"
        case _ where engine % 3 == 2:
            return "<circle class=\"ring\" cx=\"\(x1)\" cy=\"\(y1)\" r=\"5\" fill=\"\(color)\"/>"
        case _ where engine % 3 == 0:
            return
                "<rect class=\"ring\" x=\"\(Chart.number(x - 4.5))\" y=\"\(Chart.number(y - 4.5))\" "
                + "width=\"9\" height=\"9\" fill=\"\(color)\"/>"
        default:
            return "<path class=\"ring\" d=\"M\(x1) \(Chart.number(y - 6))l6 11h-12z\" "
                + "fill=\"\(color)\"/>"
        }
    }

    private func text(
        _ x: Double, _ y: Double, _ words: String, _ style: String, anchor: String = "start",
        extra: String = ""
    ) -> String {
        "<text class=\"\(style)\" x=\"\(Chart.number(x))\" y=\"\(Chart.number(y))\" "
            + "text-anchor=\"\(anchor)\"\(extra)>\(words)</text>"
    }

    private static func number(_ value: Double) -> String {
        let text = String(format: "%.1f", value)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    private static func label(_ power: Int) -> String {
        switch power {
        case ..<0: String(format: "%g", pow(10, Double(power)))
        case 0...3: "\(Int(pow(10, Double(power))))"
        case 4...5: "\(Int(pow(10, Double(power - 3))))k"
        default: "\(Int(pow(10, Double(power - 6))))M"
        }
    }
}
