/// A command with the words that were given to it.
struct Invocation {
    let command: Command
    /// The command's name first, then its arguments without the options.
    let words: [Word]
    private var options: [GivenOption] = []

    /// An option with its value: a number or a word.
    private struct GivenOption {
        var name: String
        var number: Int?
        var word: Word?
    }

    /// Sorts options from words and counts the words.
    init(_ command: Command, _ words: [Word]) throws(CommandError) {
        self.command = command
        if command.access != .nothing && words.contains(where: \.mayBeOption) {
            var rest: [Word] = []
            try Self.split(command, words, &rest, &options)
            self.words = rest
        } else {
            self.words = words
        }
        try refuseSigns()
        let count = self.words.count - 1
        if count < command.wordCount.lowerBound {
            throw .usage("too few words; usage: \(command.usage)", at: words.last)
        }
        if count > command.wordCount.upperBound, !(command.redirects && hasSign) {
            // The slip of everybody's first day: set name Ada Lovelace.
            let advice = command.name == "set" ? "; quote a value with blanks" : ""
            throw .usage(
                "one word too many\(advice); usage: \(command.usage)",
                at: self.words[command.wordCount.upperBound + 1])
        }
    }

    private var sign: Word? { words.first(where: \.isSign) }
    private var hasSign: Bool { sign != nil }

    /// Where it opens no file, a sign is most likely meant to: `delete a < out` is no three keys.
    private func refuseSigns() throws(CommandError) {
        guard let sign else { return }
        if command.redirects, sign.isBare("<") || sign.isBare(">") { return }
        // Behind the words it would have been taken, or a script may not.
        let advice =
            sign.isBare("<")
            ? "\(command.name) reads no file"
            : sign.isBare("|")
                ? "| PROGRAM in a script needs --allow-shell"
                : "\(sign.string) FILE stands behind all words"
        throw .usage("\(advice); quote \(sign.string) if it is meant as a word", at: sign)
    }

    private static func split(
        _ command: Command, _ words: [Word], _ rest: inout [Word],
        _ options: inout [GivenOption]
    ) throws(CommandError) {
        var index = 0
        while index < words.count {
            let word = words[index]
            index += 1
            guard word.mayBeOption || Self.isShortOption(word, of: command) else {
                rest.append(word)
                continue
            }
            if word.equals("--") {
                // `set -- v` has no words to spare: there it is the key.
                let needed = command.takesAnyWord ? max(1, command.wordCount.lowerBound) : 0
                if !command.takesAnyWord || (index == 2 && words.count - index >= needed) {
                    rest += words[index...]
                    return
                }
                rest.append(word)
                continue
            }
            let (name, attached) = word.optionParts
            guard let option = command.options.first(where: { $0.name == name }) else {
                if command.takesAnyWord {
                    rest.append(word)
                    continue
                }
                throw noOption(command, name, word)
            }
            guard option.value != nil else {
                if attached != nil { throw .usage("\(name) takes no value", at: word) }
                options.append(GivenOption(name: name))
                continue
            }
            guard attached != nil || index < words.count else {
                throw .usage("\(name) needs a value", at: word)
            }
            let value = attached ?? words[index]
            if attached == nil { index += 1 }
            if option.isText {
                // All of it, however long.
                let whole = attached == nil ? value : word.behind(attached!.offset - word.offset)
                options.append(GivenOption(name: name, word: whole))
                continue
            }
            guard let number = value.number, number >= 0 else {
                throw .usage("\(name) needs a whole number, not negative", at: value)
            }
            options.append(GivenOption(name: name, number: number))
        }
    }

    /// The one option with one dash; without any with two it is a word.
    private static func isShortOption(_ word: Word, of command: Command) -> Bool {
        word.kind != .quoted && word.equals("-i") && command.options.contains { $0.name == "-i" }
    }

    private static func noOption(_ command: Command, _ name: String, _ word: Word) -> CommandError {
        let nearest = command.options.map { ($0.name, CommandTable.editDistance(name, $0.name)) }
            .min { $0.1 < $1.1 }
        let shown = unsafe word.bytes.count > 32 ? word.shown : Quoting.message(name)
        let advice =
            nearest.flatMap { $0.1 <= 2 ? "did you mean \($0.0)?" : nil }
            ?? "a word that begins with -- is put in quotes or behind --"
        return .usage("\(command.name) has no option \(shown); \(advice)", at: word)
    }

    func has(_ option: String) -> Bool { options.contains { $0.name == option } }

    /// The value of a numeric option; nil where it was not given.
    func number(_ option: String) -> Int? { options.last { $0.name == option }?.number }

    /// The value of an option that is any word; nil where it was not given.
    func word(_ option: String) -> Word? { words(of: option).last }

    /// The values of an option that may be given several times.
    func words(of option: String) -> [Word] {
        options.compactMap { $0.name == option ? $0.word : nil }
    }

    /// What the command does to the store when it is called like this.
    var access: Command.Access {
        command.readingOption.map(has) == true ? .read : command.access
    }
}

/// Why a command was not carried out.
struct CommandError: Error {
    var message: String
    /// Byte offset in the line of the word that is to blame.
    var offset: Int?
    /// The words make no command, whatever the store holds.
    var isUsage = false
    /// Bytes of the store do not check out.
    var isDamage = false
    /// The person stopped the command.
    var isStop = false

    init(message: String, offset: Int?) {
        self.message = message
        self.offset = offset
    }

    init(_ message: String, at word: Word? = nil) {
        self.message = message
        offset = word?.offset
    }

    static func usage(_ message: String, at word: Word?) -> CommandError {
        var error = CommandError(message, at: word)
        error.isUsage = true
        return error
    }
}
