internal import StaveDisk

/// A store at a glance as one self-contained page: inline SVG, no scripts, nothing from elsewhere.
/// It shows keys, quoted, where damage or prefixes name them, and no values.
struct Page {
    /// Cells of the map of the largest segment.
    static let cells = 120
    static let shownPrefixes = 30
    private static let shownSegments = 200
    private static let shownFindings = 500

    let space: SpaceSurvey
    let limit: Int
    let isVerified: Bool
    private var store: StoreSurvey { space.store }

    init(_ space: SpaceSurvey, limit: Int, isVerified: Bool) {
        (self.space, self.limit, self.isVerified) = (space, limit, isVerified)
    }

    var text: String {
        var markup = Markup()
        markup.element("html", [("lang", "en")]) { markup in
            head(&markup)
            markup.element("body") { markup in
                markup.element("main") { markup in
                    header(&markup)
                    tiles(&markup)
                    kinds(&markup)
                    map(&markup)
                    prefixes(&markup)
                    sizes(&markup)
                    findings(&markup)
                    segments(&markup)
                    files(&markup)
                    footer(&markup)
                }
            }
        }
        return "<!DOCTYPE html>\n" + markup.text + "\n"
    }

    private var name: String {
        let parts = store.path.split(separator: "/").filter { $0 != "." }
        return Quoting.message(parts.last.map(String.init) ?? store.path)
    }

    private func head(_ markup: inout Markup) {
        markup.element("head") { markup in
            markup.void("meta", [("charset", "utf-8")])
            markup.void(
                "meta",
                [("name", "viewport"), ("content", "width=device-width, initial-scale=1")])
            markup.void("meta", [("name", "color-scheme"), ("content", "light dark")])
            // Should anything escape its quotes, it still could neither run nor load.
            markup.void(
                "meta",
                [
                    ("http-equiv", "Content-Security-Policy"),
                    ("content", "default-src 'none'; style-src 'unsafe-inline'"),
                ])
            markup.element("title", "\(name): stave inspect")
            markup.element("style") { $0.raw(PageStyle.text) }
        }
        markup.newline()
    }

    private func header(_ markup: inout Markup) {
        let all = store.allFindings
        let (word, style) =
            switch all.worst {
            case .note: (isVerified ? "clean" : "clean as far as it was read", "verdict")
            case .torn: ("torn tail", "verdict torn")
            case .unreadable: ("unreadable", "verdict bad")
            case .damage: ("damage", "verdict bad")
            }
        markup.element("header") { markup in
            markup.element("h1", name)
            markup.element("span", [("class", style)], word)
            markup.element("p") { markup in
                markup.element("code", Quoting.message(store.path))
                if let manifest = store.manifest {
                    let id = hex(manifest.storeID.high) + hex(manifest.storeID.low)
                    markup.element("span", ", store ")
                    markup.element("code", id)
                    markup.element("span", ", revision \(manifest.revision)")
                } else {
                    markup.element(
                        "span", ": MANIFEST cannot be read, segments are shown as they stand")
                }
            }
            markup.element("p", "Looked at \(Printable.time(Clock.seconds()))")
        }
        markup.newline()
    }

    private func tiles(_ markup: inout Markup) {
        let records = space.prefixes.total
        let dead = space.bytes(.dead)
        func share(_ word: String, _ bytes: Int) -> String {
            guard records.bytes > 0 else { return word }
            return "\(word), \(SpaceReport.percent(bytes, of: records.bytes)) of records"
        }
        let tiles = [
            (Units.bytes(space.totalBytes), "on disk"),
            (Units.count(space.liveKeys), space.liveKeys == 1 ? "key" : "keys"),
            (
                Units.bytes(records.liveBytes),
                share("live", records.liveBytes)
            ),
            (
                Units.bytes(dead),
                share("dead", dead)
            ),
            (
                Units.count(store.segments.count),
                store.segments.count == 1 ? "segment" : "segments"
            ),
        ]
        markup.element("div", [("class", "tiles")]) { markup in
            for (figure, text) in tiles {
                markup.element("div", [("class", "tile")]) { markup in
                    markup.element("b", figure)
                    markup.element("span", text)
                }
            }
        }
        markup.newline()
    }

    private func kinds(_ markup: inout Markup) {
        let kinds = space.kinds.filter { $0.bytes > 0 }
        let total = space.totalBytes
        title(&markup, "Where the bytes are", "Every byte of every file, counted once.")
        let places = Drawing.places(of: kinds.map(\.bytes))
        markup.element("svg", Drawing.band(width: Drawing.units) + [("class", "band")]) { markup in
            for ((name, _), place) in zip(kinds, places) where !place.isEmpty {
                Drawing.bar(
                    &markup, from: place.lowerBound, place.count, Drawing.style(ofKind: name), name)
            }
        }
        markup.table(
            "bars", ["kind", "bytes", "", "share", ""], numbers: [1, 2, 3], optional: [1],
            kinds.map { name, bytes in
                [
                    cell(name), cell(Units.count(bytes)), cell(Units.bytes(bytes)),
                    cell(SpaceReport.percent(bytes, of: total)),
                    Drawing.cell([(bytes, Drawing.style(ofKind: name))], of: total),
                ]
            })
    }

    private func map(_ markup: inout Markup) {
        guard !space.segments.isEmpty else { return }
        title(
            &markup, "Map of the segments",
            "Each segment from its first byte to its last; the height of a color is its share there."
        )
        Drawing.legend(&markup)
        var rows: [[(inout Markup) -> Void]] = []
        let half = Self.shownSegments / 2
        let shown =
            space.segments.count <= Self.shownSegments
            ? space.segments : Array(space.segments.prefix(half) + space.segments.suffix(half))
        for segment in shown {
            rows.append([
                cell(segment.survey.number.map { "\($0)" } ?? "?"), cell(segment.survey.state),
                cell(Units.bytes(segment.survey.fileSize)), Drawing.map(segment),
            ])
        }
        markup.table(
            "map", ["segment", "state", "size", ""], numbers: [0, 2], optional: [1], rows)
        let left = space.segments.count - shown.count
        if left > 0 {
            markup.element("p", "\(Units.count(left)) segments in the middle are not drawn.")
        }
    }

    private func prefixes(_ markup: inout Markup) {
        let (shown, rest, restCount) = space.prefixes.largest(limit)
        let total = space.prefixes.total
        guard total.bytes > 0 else { return }
        title(&markup, "By prefix of the key", "Records with their padding.")
        func row(_ name: @escaping (inout Markup) -> Void, _ usage: PrefixTable.Usage)
            -> [(inout Markup) -> Void]
        {
            [
                name, cell(Units.count(usage.keys)), cell(Units.bytes(usage.liveBytes)),
                cell(Units.bytes(usage.deadBytes)), cell(Units.bytes(usage.tombstoneBytes)),
                cell(Units.bytes(usage.bytes)),
                cell(SpaceReport.percent(usage.bytes, of: total.bytes)),
                Drawing.cell(
                    [
                        (usage.liveBytes, "live"), (usage.tombstoneBytes, "tombstones"),
                        (usage.deadBytes, "dead"),
                    ], of: shown.first.map { max($0.bytes, rest.bytes) } ?? total.bytes),
            ]
        }
        var rows = shown.map { usage in
            let name = SpaceReport.name(of: usage)
            return row(usage.prefix == nil ? cell(name) : code(name), usage)
        }
        if restCount > 0 { rows.append(row(cell("\(Units.count(restCount)) more"), rest)) }
        markup.table(
            "bars", ["prefix", "keys", "live", "dead", "tombstones", "bytes", "share", ""],
            numbers: [1, 2, 3, 4, 5, 6], optional: [2, 3, 4], rows)
    }

    private func sizes(_ markup: inout Markup) {
        guard space.liveKeys > 0 else { return }
        title(&markup, "Sizes", "Of live keys and values, by powers of two.")
        markup.element("div", [("class", "two")]) { markup in
            for histogram in [space.keySizes, space.valueSizes] {
                markup.element("div") { markup in
                    markup.element("h3", histogram.title)
                    markup.element("p", histogram.summary)
                    let most = histogram.buckets.map(\.count).max() ?? 1
                    markup.table(
                        "bars", ["bytes", "count", "share", ""], numbers: [0, 1, 2],
                        histogram.buckets.map { low, high, count in
                            [
                                cell(low == high ? "\(low)" : "\(low) – \(high)"),
                                cell(Units.count(count)),
                                cell(SizeHistogram.percent(count, of: histogram.count)),
                                Drawing.cell([(count, "other")], of: most),
                            ]
                        })
                }
            }
        }
    }

    private func findings(_ markup: inout Markup) {
        let all = store.allFindings
        title(&markup, "Damage and other findings", nil)
        guard all.count > 0 else {
            markup.element(
                "p",
                isVerified
                    ? "None: every byte is accounted for."
                    : "None, as far as it was read: without --verify values are not checked.")
            return
        }
        markup.table(
            "findings", ["finding", "file", "where", "what"],
            all.list.prefix(Self.shownFindings).map { finding in
                [
                    cell(finding.severity.word), code(Quoting.message(finding.file)),
                    cell(finding.place), cell(finding.text),
                ]
            })
        let left = all.count - min(all.list.count, Self.shownFindings)
        if left > 0 { markup.element("p", "\(Units.count(left)) more.") }
    }

    private func segments(_ markup: inout Markup) {
        guard !store.segments.isEmpty else { return }
        title(&markup, "Segments", nil)
        let titles = [
            "file", "state", "size", "records", "live", "dead", "tombstones", "oldest", "newest",
            "hint",
        ]
        markup.table(
            "wide", titles, numbers: [2, 3, 4, 5, 6],
            store.segments.prefix(10 * Self.shownSegments).map { segment in
                [
                    code(Quoting.message(segment.name)), cell(segment.state),
                    cell(Units.bytes(segment.fileSize)), cell(Units.count(segment.recordCount)),
                    cell(Units.count(segment.liveCount)), cell(Units.count(segment.deadCount)),
                    cell(Units.count(segment.tombstoneCount)),
                    cell(segment.times.map { Printable.time($0.lowerBound) } ?? "–"),
                    cell(segment.times.map { Printable.time($0.upperBound) } ?? "–"),
                    cell(segment.hintState.word),
                ]
            })
    }

    private func files(_ markup: inout Markup) {
        guard !store.leftovers.isEmpty || !store.aside.isEmpty || !store.foreign.isEmpty else {
            return
        }
        title(&markup, "Other files", "Leftovers are removed when the store is opened for writing.")
        let leftovers = store.leftovers.map { ("leftover", $0.name, Units.bytes($0.size)) }
        let aside = store.aside.map { ("set aside", $0.name, Units.bytes($0.size)) }
        let foreign = store.foreign.prefix(100).map { ("foreign", $0, "") }
        markup.table(
            "files", ["", "file", "size"], numbers: [2],
            (leftovers + aside + foreign).map { kind, name, size in
                [cell(kind), code(Printable.quoted(Array(name.utf8))), cell(size)]
            })
    }

    private func footer(_ markup: inout Markup) {
        markup.element(
            "footer",
            "Made by stave inspect. This page holds no values of the store; it shows keys where"
                + " damage or a prefix names them.")
    }

    private func title(_ markup: inout Markup, _ title: String, _ text: String?) {
        markup.newline()
        markup.element("h2", title)
        if let text { markup.element("p", text) }
    }
}
