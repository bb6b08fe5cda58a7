internal import Glibc
internal import Stave

extension CommandTable {
    /// What goes in and out of the store in other formats.
    static let transferCommands: [Command] = [
        Command(
            "import", "FILE --from FORMAT [--if-absent] [--prefix TEXT] [--dry-run]", words: 1...1,
            .write, "take the keys and values of a file into the store",
            details: [
                "Formats: \(TransferFormat.names).",
                "A bad record ends it, unless the shell keeps going; what came before it stays.",
            ],
            options: [
                .init(name: "--from", value: "FORMAT", isText: true, help: "of the file"),
                .init(name: "--if-absent", help: "leave keys alone that are there already"),
                .init(
                    name: "--prefix", value: "TEXT", isText: true, help: "put it before each key"),
                .init(name: "--dry-run", help: "only say what would be done"),
                .init(name: "--header", help: "csv, tsv: the first line has the fields' names"),
                .init(name: "--key-field", value: "F", isText: true, help: "where the key is"),
                .init(name: "--value-field", value: "F", isText: true, help: "where the value is"),
                .init(name: "--database", value: "NAME", isText: true, help: "only of this one"),
            ],
            readingOption: "--dry-run",
            examples: [
                "import people.jsonl --from jsonl",
                "import people.jsonl --from jsonl --if-absent --prefix old:",
            ]
        ) { session, invocation throws(CommandError) in try session.importFile(invocation) },
        Command(
            "export", "[PREFIX | FROM TO] --to FORMAT  (or: ... > FILE)", words: 0...2, .read,
            redirects: true, isPaged: true, "write keys and values in another format",
            details: [
                "Formats: \(TransferFormat.namesOut).",
                "With two words: from FROM up to, but not including, TO.",
            ],
            options: [
                .init(name: "--to", value: "FORMAT", isText: true, help: "of what is written"),
                .init(name: "--from", value: "KEY", isText: true, help: "the first key"),
                .init(name: "--slots", value: "A-B", isText: true, help: "only of these slots"),
                .init(
                    name: "--nodes", value: "FILE", isText: true,
                    help: "a file a master of CLUSTER NODES"),
                .init(name: "--into", value: "FOLDER", isText: true, help: "where those are made"),
                .init(name: "--header", help: "csv, tsv: first the fields' names"),
            ],
            examples: ["export --to jsonl", "export user: --to csv > users.csv"]
        ) { session, invocation throws(CommandError) in try session.export(invocation) },
    ]
}

extension Session {
    /// `import FILE --from FORMAT`.
    func importFile(_ invocation: Invocation) throws(CommandError) {
        let word = invocation.words[1]
        guard let name = invocation.word("--from") else {
            throw .usage("--from FORMAT is missing; there are \(TransferFormat.names)", at: word)
        }
        guard let format = TransferFormat(rawValue: name.string) else {
            throw .usage("no format \(name.shown); there are \(TransferFormat.names)", at: name)
        }
        var request = ImportRequest()
        request.format = format
        request.file = word.equals("-") ? nil : try Self.path(word)
        if request.file == nil, place != .oneShot {
            throw .usage("- is stdin on a command line only; name a file", at: word)
        }
        request.layout.hasHeader = invocation.has("--header")
        request.layout.keyField = invocation.word("--key-field")?.string
        request.layout.valueField = invocation.word("--value-field")?.string
        request.layout.database = invocation.word("--database")?.string
        request.prefix = invocation.word("--prefix")?.array ?? []
        request.isIfAbsent = invocation.has("--if-absent")
        request.isDry = invocation.has("--dry-run")
        if let problem = request.problem { throw .usage(problem, at: word) }
        let decoder: any RecordDecoder
        do throws(TransferError) {
            decoder = try request.decoder()
        } catch {
            throw CommandError(error.message, at: word)
        }
        flush()
        let status = ImportCommand.run(
            request, decoder, ImportTarget(store, isDry: request.isDry), self)
        if status != 0 {
            if settings.keepGoing || place == .prompt {
                reportedErrorCount += 1
            } else {
                throw CommandError(
                    "the import did not take all of \(word.shown)", at: invocation.words[0])
            }
        }
        reportStop()
    }

    /// `export [PREFIX | FROM TO] --to FORMAT [> FILE]`.
    func export(_ invocation: Invocation) throws(CommandError) {
        var words = Array(invocation.words.dropFirst())
        var file: Word?
        if let index = words.firstIndex(where: { $0.isBare("<") || $0.isBare(">") }) {
            guard words[index].isBare(">"), index == words.count - 2, index <= 2 else {
                throw .usage("> FILE comes last, and < does not fit here", at: words[index])
            }
            file = words[index + 1]
            words.removeLast(2)
        }
        var request: ExportRequest
        do throws(TransferError) {
            request = try ExportRequest(
                bounds: invocation.words(of: "--from").map(\.array),
                targets: invocation.words(of: "--to").map(\.array), words: words.map(\.array))
            try request.setSlots(
                invocation.word("--slots")?.string, nodes: invocation.word("--nodes")?.string,
                into: invocation.word("--into")?.string)
        } catch {
            throw error.isFatal
                ? .usage(error.message, at: invocation.words[0])
                : CommandError(error.message, at: invocation.words[0])
        }
        request.layout.hasHeader = invocation.has("--header")
        if request.layout.hasHeader, !request.format.hasHeader {
            throw .usage("--header is for csv and tsv", at: invocation.words[0])
        }
        try export(request, into: file)
        reportStop()
    }

    private func export(_ request: ExportRequest, into file: Word?) throws(CommandError) {
        var exporter = Exporter(request, self)
        if let masters = request.masters { return try exporter.run(for: masters) }
        guard let file else {
            if outputIsTerminal, !request.format.isForTerminals {
                throw CommandError(
                    "\(request.format.rawValue) is for files and pipes: export ... > FILE")
            }
            return try exporter.run(to: output)
        }
        let target = try ExportFile(try Self.path(outside: store.path, file))
        defer { target.remove() }
        try exporter.run(to: target.output)
        if !isInterrupted() { try target.commit() }
    }
}
