internal import ArgumentParser
internal import CLinux
internal import Glibc

@main
enum Stave {
    static func main() {
        StandardDescriptors.occupy()
        stave_ignore_file_size_signal()
        Dispatch.refuseBrokenText(CommandLine.arguments)
        Dispatch.run(CommandLine.arguments)
    }
}

/// Descriptors 0, 1 and 2.
enum StandardDescriptors {
    /// A closed one would become the number of the next file that is opened, such as one of the
    /// store, and replies would be written into it. On the null device, opened to be read, a read
    /// ends at once and a write fails as it would have.
    static func occupy() {
        for descriptor in 0...2 as ClosedRange<Int32> where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number is this one. Without close-on-exec, as the others.
            unsafe _ = stave_open("/dev/null", O_RDONLY, 0)
        }
    }
}

/// Decides between the shell and the inspector.
enum Dispatch {
    /// As the command's `main`, but what it says of the arguments holds no control characters.
    private static func run<Command: ParsableCommand>(_ type: Command.Type, _ arguments: [String]) {
        do {
            var command = try type.parseAsRoot(arguments)
            try command.run()
        } catch {
            let text = type.fullMessage(for: error)
            if type.exitCode(for: error) != .success {
                for line in text.split(separator: "\n") { StaveCommand.complain(String(line)) }
                Glibc.exit(type.exitCode(for: error).rawValue)
            }
            type.exit(withError: error)
        }
    }

    /// Paths and options are text; decoded with replacements, a path would name another file. The words
    /// of a command may be any bytes.
    static func refuseBrokenText(_ arguments: [String]) {
        let names = ["inspect", "verify", "why", "repair", "diff", "help"]
        let words = names.contains(arguments.dropFirst().first ?? "")
        let end = words ? nil : ArgumentSplit(arguments).commandIndex
        for index in 1..<max(1, end ?? arguments.count) {
            // SAFETY: the arguments live as long as the process, and nothing changes them.
            guard let text = unsafe CommandLine.unsafeArgv[index] else { return }
            let bytes = unsafe UnsafeRawBufferPointer(start: text, count: strlen(text))
            if unsafe UTF8Scan.isValid(bytes) { continue }
            StaveCommand.complain("stave: \(unsafe Quoting.text(bytes)) is not UTF-8")
            Glibc.exit(64)
        }
    }

    /// The first argument says it; a directory of that name is written ./inspect.
    static func run(_ arguments: [String]) {
        if let index = arguments.firstIndex(of: "--generate-completion-script"), index <= 2 {
            return printCompletionScript(arguments.dropFirst(index + 1).first)
        }
        switch arguments.dropFirst().first {
        case "inspect": run(InspectCommand.self, Array(arguments.dropFirst(2)))
        case "verify": run(VerifyCommand.self, Array(arguments.dropFirst(2)))
        case "why": run(WhyCommand.self, Array(arguments.dropFirst(2)))
        case "repair": run(RepairCommand.self, Array(arguments.dropFirst(2)))
        case "diff": run(DiffCommand.self, Array(arguments.dropFirst(2)))
        case "help":
            StaveCommand.printHelp(for: Array(arguments.dropFirst(2)))
        default:
            let split = ArgumentSplit(arguments)
            run(
                StaveCommand.self, split.options + (split.words.isEmpty ? [] : ["--"] + split.words)
            )
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
