import Testing

/// What a person sees who has little room.
struct PromptNarrowTests {
    private let scratch = Scratch()

    @Test("Help and messages are cut between words")
    func words() throws {
        let shell = try scratch.shell(columns: 40)
        try shell.enter(
            "keys --foo", "error: keys has no option --foo; a word",
            "that begins with -- is put in quotes or",
            "behind --")
        try shell.enter(
            "set name Ada Lovelace", "error: one word too many; quote a value",
            "with blanks; usage: set KEY VALUE  (or:",
            "set KEY < FILE)")
        shell.type("help refresh", .enter)
        try shell.anywhere("  see what others have written since")
        try shell.anywhere("  the store was opened")
        try shell.leave()
    }

    @Test("Where the terminal does not know its size, COLUMNS says it")
    func columns() throws {
        let shell = try Shell(
            [
                "/bin/sh", "-c", "stty cols 0 rows 0; exec \"$0\" \"$1\"", stave, scratch.store,
            ], environment: scratch.environment(["COLUMNS": "30", "PAGER": ""]))
        try shell.enter(
            "keys --foo", "error: keys has no option", "--foo; a word that begins",
            "with -- is put in quotes or", "behind --")
        try shell.leave()
    }
}
