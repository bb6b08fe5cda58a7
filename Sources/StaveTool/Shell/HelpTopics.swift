extension Help {
    /// What concerns all commands.
    struct Topic {
        let name: String
        /// Of the labels.
        let width: Int
        let lines: [(label: String, text: String)]
    }

    static let topics: [Topic] = [quoting, formats, editing, files]

    private static let quoting = Topic(
        name: "quoting", width: 22,
        lines: [
            ("", "Keys and values are bytes. Words are cut at blanks. A word is"),
            ("  user:1", "bare: no quote in it, and a backslash is just a backslash"),
            ("  'say \"hi\"'", "in single quotes: all up to the next ' as it is"),
            (
                "  \"two\\nlines\"",
                "in double quotes, with \\n \\t \\r \\0 \\\\ \\\" \\' \\xHH \\u{1F600}"
            ),
            ("", "# at the start of a word begins a comment. Behind -- no word is an option."),
            ("", "What format quoted prints can be pasted behind set."),
        ])

    private static let formats = Topic(
        name: "formats", width: 10,
        lines: [
            (
                "",
                "format MODE, or --format MODE on the command line. Without: quoted at a"
                    + " terminal, raw in a pipe and a file."
            ),
            ("  quoted", "words that can be pasted behind set"),
            ("  raw", "the bytes; scan puts a tab between key and value"),
            ("  json", "an object a line; bytes that are not UTF-8 in hexadecimal digits"),
            ("  csv", "fields as in RFC 4180"),
            ("  hex", "hexadecimal digits"),
            ("  table", "a line an entry, cut to the screen, with the value's size"),
        ])

    private static let editing = Topic(
        name: "editing", width: 24,
        lines: [
            ("Tab", "completes commands, options, files behind < and >, and keys by level"),
            ("set KEY Tab", "puts the present value into the line"),
            ("Right, End", "take the dim text behind the line; Alt-F takes a word of it"),
            ("Ctrl-R", "searches the history; Up and Down go through it"),
            ("Ctrl-A, Ctrl-E", "to the start and the end; Alt-B, Alt-F by words"),
            ("Ctrl-W, Ctrl-U, Ctrl-K", "delete a word, the line, the rest; Ctrl-Y puts it back"),
            ("Ctrl-_", "takes back what was done last; Ctrl-X Ctrl-E opens your editor"),
            ("Ctrl-C", "gives the line up, or stops the command that runs"),
            ("Ctrl-D", "leaves, from an empty line"),
            ("", "~/.editrc changes keys; bind -v in it gives those of vi."),
        ])

    private static let files = Topic(
        name: "files", width: 22,
        lines: [
            ("set KEY < FILE", "stores the bytes of a file"),
            ("get KEY > FILE", "writes the bytes of a value"),
            ("COMMAND > FILE", "writes the replies of any command; >> FILE appends them"),
            (
                "COMMAND | PROGRAM",
                "gives them to a program; the rest of the line is the outer shell's"
            ),
            ("!PROGRAM", "runs one"),
            ("source FILE", "carries out the commands of a file"),
            (
                "",
                "Where no format was chosen, it is raw there. A script needs --allow-shell for"
                    + " > FILE of other commands than get KEY, for >>, | and !."
            ),
        ])
}
