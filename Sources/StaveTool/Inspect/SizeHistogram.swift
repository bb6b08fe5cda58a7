/// How many things of which size: a line for each power of two.
struct SizeHistogram {
    let title: String
    private var counts: [Int: Int] = [:]
    private(set) var count = 0
    private(set) var sum = 0
    private var smallest = Int.max
    private var largest = 0

    init(_ title: String) { self.title = title }

    mutating func add(_ bytes: Int) {
        counts[Self.bucket(bytes), default: 0] += 1
        count += 1
        sum += bytes
        smallest = min(smallest, bytes)
        largest = max(largest, bytes)
    }

    /// 0 for no bytes, else one more than the exponent: bucket b holds 2^(b-1) ..< 2^b.
    private static func bucket(_ bytes: Int) -> Int { Int.bitWidth - bytes.leadingZeroBitCount }

    /// Sizes from `low` to `high`, and how many have them.
    var buckets: [(low: Int, high: Int, count: Int)] {
        counts.keys.sorted().map { bucket in
            let (low, high) = Self.bounds(bucket)
            return (low, high, counts[bucket] ?? 0)
        }
    }

    /// `12, sum 1.2 KiB, smallest 1, mean 102, largest 1024 bytes`.
    var summary: String {
        "\(Units.count(count)), sum \(Units.bytes(sum)), smallest \(smallest), mean \(sum / max(1, count)),"
            + " largest \(largest) bytes"
    }

    func print(to output: Output) {
        output.line()
        guard count > 0 else {
            output.line("\(title): none")
            return
        }
        output.line("\(title): \(summary)")
        let most = counts.values.max() ?? 1
        var rows: [[String]] = []
        for (low, high, number) in buckets {
            let bar = String(repeating: "#", count: max(1, number * 40 / most))
            rows.append([
                "  \(low)", "-", "\(high)", "\(number)", Self.percent(number, of: count), bar,
            ])
        }
        output.table(rows, right: [0, 2, 3, 4])
    }

    func printJSON(to output: Output) {
        let buckets = buckets.map { low, high, count in
            JSON.object([
                ("from", .number(low)), ("to", .number(high)), ("count", .number(count)),
            ])
        }
        output.json([
            ("type", .string("histogram")), ("of", .string(title)), ("count", .number(count)),
            ("sum", .number(sum)), ("smallest", .number(count == 0 ? 0 : smallest)),
            ("largest", .number(largest)), ("buckets", .array(buckets)),
        ])
    }

    private static func bounds(_ bucket: Int) -> (Int, Int) {
        bucket == 0 ? (0, 0) : (1 << (bucket - 1), (1 << bucket) - 1)
    }

    static func percent(_ part: Int, of whole: Int) -> String {
        let tenths = (part * 1000 + whole / 2) / whole
        return "\(tenths / 10).\(tenths % 10) %"
    }
}
