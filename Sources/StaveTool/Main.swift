internal import ArgumentParser
internal import CLinux
internal import Glibc

@main
enum Stave {
    static func main() {
        StandardDescriptors.occupy()
        stave_ignore_file_size_signal()
        stave_exit_on_bus_error()
        Dispatch.refuseBrokenText(CommandLine.arguments)
        Dispatch.run(CommandLine.arguments)
    }
}

/// Descriptors 0, 1 and 2.
enum StandardDescriptors {
    /// A closed one would become the number of the next file that is opened, such as one of the
    /// store, and replies would be written into it. Here it gets the null device, opened the wrong
    /// way round: reading or writing fails as it would have. A read that ended at once would make
    /// an empty value, or a script without commands.
    static func occupy() {
        for descriptor in 0...2 as ClosedRange<Int32> where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number is this one. Without close-on-exec, as the others.
            unsafe _ = stave_open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY, 0)
        }
    }
}

/// Decides between the shell and the inspector.
enum Dispatch {
    /// What may stand in the place of DIR; a directory of that name is written ./inspect.
    static let subcommands: [(name: String, type: any ParsableCommand.Type)] = [
        ("inspect", InspectCommand.self), ("verify", VerifyCommand.self),
        ("why", WhyCommand.self), ("repair", RepairCommand.self), ("diff", DiffCommand.self),
        ("backup", BackupCommand.self), ("changes", ChangesCommand.self),
        ("import", ImportCommand.self), ("export", ExportCommand.self),
    ]

    static func subcommand(named name: String?) -> (any ParsableCommand.Type)? {
        subcommands.first { $0.name == name }?.type
    }

    /// The subcommand that was most likely meant, where it is not one of them.
    static func nearest(to typed: String) -> String? {
        guard (4...10).contains(typed.utf8.count) else { return nil }
        return subcommands.map(\.name).first { CommandTable.editDistance(typed, $0) == 1 }
    }

    static func run(_ arguments: [String]) {
        if let index = arguments.firstIndex(of: "--generate-completion-script"), index <= 2 {
            return printCompletionScript(arguments.dropFirst(index + 1).first)
        }
        let first = arguments.dropFirst().first
        if let type = subcommand(named: first) {
            return run(type, Array(arguments.dropFirst(2)), as: "stave \(first!)")
        }
        if first == "help" { return StaveCommand.printHelp(for: Array(arguments.dropFirst(2))) }
        let split = ArgumentSplit(arguments)
        run(
            StaveCommand.self, split.options + (split.words.isEmpty ? [] : ["--"] + split.words),
            as: "stave", options: split.options)
    }

    /// As the command's `main`, but what is wrong is said in a line, without control characters.
    private static func run<Command: ParsableCommand>(
        _ type: Command.Type, _ arguments: [String], as name: String, options: [String] = []
    ) {
        do {
            var command = try type.parseAsRoot(arguments)
            try command.run()
        } catch let status as ExitCode {
            // The command has said all there is to say.
            Glibc.exit(status.rawValue)
        } catch {
            let code = type.exitCode(for: error)
            // --help and --version are no errors.
            if code == .success { type.exit(withError: error) }
            let what =
                StaveCommand.unknownOption(among: options)
                ?? StaveCommand.unknownWord(among: options) ?? type.message(for: error)
            StaveCommand.complain("\(name): " + what.prefix(1).lowercased() + what.dropFirst())
            if arguments.isEmpty, let usage = type.configuration.usage {
                for line in usage.split(separator: "\n") { StaveCommand.complain("  \(line)") }
            }
            StaveCommand.complain("  \(name) --help says more")
            Glibc.exit(code.rawValue)
        }
    }

    /// Paths and options are text; decoded with replacements, a path would name another file. The
    /// words of a command may be any bytes.
    static func refuseBrokenText(_ arguments: [String]) {
        let first = arguments.dropFirst().first
        let isWord = first == "help" || subcommand(named: first) != nil
        let end = isWord ? nil : ArgumentSplit(arguments).commandIndex
        for index in 1..<max(1, end ?? arguments.count) {
            // SAFETY: the arguments live as long as the process, and nothing changes them.
            guard let text = unsafe CommandLine.unsafeArgv[index] else { return }
            let bytes = unsafe UnsafeRawBufferPointer(start: text, count: strlen(text))
            if unsafe UTF8Scan.isValid(bytes) { continue }
            let shown = String(decoding: Quoting.quoted(unsafe Array(bytes)), as: UTF8.self)
            StaveCommand.complain("stave: \(shown) is not UTF-8")
            Glibc.exit(64)
        }
    }
}

extension Dispatch {
    private static func printCompletionScript(_ shell: String?) {
        guard let text = shell.flatMap(CompletionScript.text) else {
            let shells = CompletionScript.shells.joined(separator: ", ")
            StaveCommand.complain("stave: --generate-completion-script takes one of \(shells)")
            Glibc.exit(64)
        }
        print(text, terminator: "")
    }
}

/// The process's arguments cut in two: options of stave, and what must not be taken for any: DIR,
/// the command and its words. Options may stand before or behind DIR.
struct ArgumentSplit {
    var options: [String] = []
    var words: [String] = []
    /// Where the command's name stands among all arguments; nil where there is none.
    var commandIndex: Int?

    /// - Parameter arguments: with the name of the program first.
    init(_ arguments: [String]) {
        var index = 1
        while index < arguments.count, words.count < 2 {
            let argument = arguments[index]
            if argument == "--" {
                index += 1
                if words.isEmpty, index < arguments.count {
                    words.append(arguments[index])
                    index += 1
                }
                if index < arguments.count {
                    commandIndex = index
                    words += arguments[index...]
                }
                return
            }
            if argument.hasPrefix("-"), argument.count > 1 {
                options.append(argument)
                if StaveCommand.optionsWithValue.contains(argument), index + 1 < arguments.count {
                    index += 1
                    options.append(arguments[index])
                }
            } else {
                words.append(argument)
                if words.count == 2 { commandIndex = index }
            }
            index += 1
        }
        words += arguments[index...]
    }
}
