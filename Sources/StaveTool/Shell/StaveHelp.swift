internal import ArgumentParser
internal import Glibc
internal import Stave

extension StaveCommand {
    /// `stave help [COMMAND]`.
    static func printHelp(for words: [String]) {
        guard let name = words.first else {
            print(helpMessage())
            print(Help.overview(), terminator: "")
            return
        }
        let type = Dispatch.subcommand(named: name)
        if let command = CommandTable.command(named: name) {
            print(Help.text(for: command), terminator: "")
            if type != nil { print("\nwithout opening the store: see stave \(name) --help") }
        } else if let type {
            print(type.helpMessage())
        } else {
            let suggestion = CommandTable.suggestion(for: name)
            complain(
                "stave: unknown command \(Quoting.text(Array(name.utf8)))"
                    + (suggestion.map { "; did you mean \($0)?" } ?? "; stave help lists them"))
            Glibc.exit(64)
        }
    }

    /// What is wrong with the first value of --format or --durability that is none.
    static func unknownWord(among options: [String]) -> String? {
        let known = [
            "--format": OutputFormat.allCases.map(\.rawValue),
            "--durability": Durability.allCases.map(\.rawValue),
        ]
        for (index, option) in options.enumerated() {
            let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
            guard let words = parts.first.flatMap({ known[$0] }),
                let value = parts.count > 1 ? parts[1] : options.dropFirst(index + 1).first,
                !words.contains(value)
            else { continue }
            return "no \(parts[0].dropFirst(2)) \(Quoting.text(Array(value.utf8)));"
                + " there are \(words.joined(separator: ", "))"
        }
        return nil
    }

    /// What is wrong with the first option that there is none of. (To the parser it is one of many
    /// things, and the directory that was taken for its value another.)
    static func unknownOption(among options: [String]) -> String? {
        let known = CompletionScript.options.map(\.name) + ["-h"]
        var isValue = false
        for option in options {
            if isValue {
                isValue = false
                continue
            }
            isValue = optionsWithValue.contains(option)
            let name = String(option.prefix { $0 != "=" })
            if known.contains(name) { continue }
            let nearest = known.map { (name: $0, distance: CommandTable.editDistance(name, $0)) }
                .min { $0.distance < $1.distance }
            let isNear = name.hasPrefix("--") && name.utf8.count <= 32 && nearest!.distance <= 3
            return "unknown option \(Quoting.shellWord(name))"
                + (isNear ? "; did you mean \(nearest!.name)?" : "")
        }
        return nil
    }
}
