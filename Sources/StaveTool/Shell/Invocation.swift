internal import Stave

/// A command with the words that were given to it.
struct Invocation {
    let command: Command
    /// The command's name first, then its arguments without the options.
    let words: [Word]
    private var options: [(name: String, value: Word?)] = []

    /// Sorts options from words and counts the words.
    init(_ command: Command, _ words: [Word]) throws(CommandError) {
        self.command = command
        if !command.options.isEmpty && words.contains(where: \.mayBeOption) {
            var rest: [Word] = []
            try Self.split(command, words, &rest, &options)
            self.words = rest
        } else {
            self.words = words
        }
        if !command.redirects { try Self.refuseRedirection(command, self.words) }
        let count = self.words.count - 1
        if count < command.wordCount.lowerBound {
            throw CommandError("too few words; usage: \(command.usage)", at: words.last)
        }
        if count > command.wordCount.upperBound {
            throw CommandError(
                "one word too many; usage: \(command.usage)",
                at: self.words[command.wordCount.upperBound + 1])
        }
    }

    /// Where it opens no file, a sign is most likely meant to: `delete a < out` is no three keys.
    private static func refuseRedirection(_ command: Command, _ words: [Word])
        throws(CommandError)
    {
        guard let sign = words.first(where: { $0.isBare("<") || $0.isBare(">") }) else { return }
        throw CommandError(
            "\(command.name) reads and writes no files; quote \(sign.string) if it is meant as a word",
            at: sign)
    }

    private static func split(
        _ command: Command, _ words: [Word], _ rest: inout [Word],
        _ options: inout [(name: String, value: Word?)]
    ) throws(CommandError) {
        var index = 0
        while index < words.count {
            let word = words[index]
            index += 1
            guard word.mayBeOption else {
                rest.append(word)
                continue
            }
            if word.equals("--") {
                rest += words[index...]
                return
            }
            let name = word.string
            guard let option = command.options.first(where: { $0.name == name }) else {
                throw CommandError(
                    "\(command.name) has no option \(word.shown);"
                        + " a word that begins with -- is put in quotes or behind --", at: word)
            }
            guard option.value != nil else {
                options.append((name, nil))
                continue
            }
            guard index < words.count else {
                throw CommandError("\(name) needs a value", at: word)
            }
            options.append((name, words[index]))
            index += 1
        }
    }

    func has(_ option: String) -> Bool { options.contains { $0.name == option } }

    /// The value of a numeric option; nil where it was not given.
    func number(_ option: String) throws(CommandError) -> Int? {
        guard let word = options.last(where: { $0.name == option })?.value else { return nil }
        guard let number = Int(word.string), number >= 0 else {
            throw CommandError("\(option) needs a whole number, not negative", at: word)
        }
        return number
    }
}

/// Why a command was not carried out.
struct CommandError: Error {
    var message: String
    /// Byte offset in the line of the word that is to blame.
    var offset: Int?

    init(message: String, offset: Int?) {
        self.message = message
        self.offset = offset
    }

    init(_ message: String, at word: Word? = nil) {
        self.message = message
        offset = word?.offset
    }

    init(_ error: StoreError, at word: Word? = nil) {
        self.init(error.description, at: word)
    }
}
