import Glibc
import TestSupport
import Testing

/// Ctrl-C, Ctrl-D, Ctrl-Z and the signals behind them.
struct PromptSignalTests {
    private let scratch = Scratch()

    @Test("Ctrl-C cancels the line, and on an empty one does nothing worse")
    func cancel() throws {
        let shell = try scratch.shell()
        shell.type("set half ", .control("c"))
        try shell.above("store> set half ^C")
        try shell.empty()
        shell.type(.control("c"))
        try shell.above("store> set half ^C", "store> ^C")
        try shell.enter("count", "0")
        try shell.leave()
    }

    @Test("Ctrl-C inside Ctrl-R cancels, and leaves nothing of the search on the screen")
    func cancelSearch() throws {
        let shell = try scratch.shell()
        try shell.enter("echo needle", "needle")
        shell.type(.control("r"), "need")
        try shell.anywhere("history: need")
        shell.type(.control("c"))
        try shell.above("store> echo needle", "needle", "store> echo needle^C")
        try shell.empty()
        try shell.enter("count", "0")
        try shell.leave()
    }

    @Test("Ctrl-C inside an open quote gives up all of its lines")
    func cancelQuote() throws {
        let shell = try scratch.shell()
        shell.type("set a \"one", .enter)
        try shell.shows("\"> ")
        shell.type("two", .control("c"))
        try shell.empty()
        try shell.enter("count", "0")
        try shell.leave()
    }

    @Test("Ctrl-C stops a scan that runs, and the shell goes on")
    func stopScan() throws {
        var script = ""
        for number in 0..<20_000 {
            script += "set key\(number) \(String(repeating: "v", count: 50))\n"
        }
        #expect(try run(["--create", "--quiet", scratch.store], script: script).status == 0)
        let shell = try scratch.shell([], ["PAGER": ""])
        shell.type("scan", .enter)
        try shell.anywhere("key1")
        shell.type(.control("c"))
        try shell.anywhere("(stopped)")
        try shell.empty()
        try shell.enter("count", "20000")
        try shell.leave()
    }

    @Test("A SIGINT or SIGQUIT key does not leave, nor does a SIGINT from outside")
    func staysForInterrupt() throws {
        let shell = try scratch.shell()
        shell.type("echo a", .control("\\"))
        shell.terminal.signal(SIGINT)
        shell.type("b", .enter)
        try shell.above("ab")
        try shell.leave()
    }

    @Test("Ctrl-D deletes under the cursor, gives up an open quote, and leaves from an empty line")
    func controlD() throws {
        let shell = try scratch.shell()
        shell.type("echo xa", .left, .left, .control("d"), .end, .control("d"), .enter)
        try shell.above("store> echo a", "a")
        shell.type("set a 'one", .enter)
        try shell.shows("'> ")
        shell.type(.control("d"))
        try shell.empty()
        try shell.leave()
    }

    @Test("quit and exit leave too", arguments: ["quit", "exit"])
    func quit(command: String) throws {
        let shell = try scratch.shell()
        shell.type(Key(command), .enter)
        #expect(shell.terminal.waitForExit() == 0)
    }

    @Test("Ctrl-Z stops the shell, and fg brings the line back")
    func suspend() throws {
        let job = try scratch.jobShell()
        job.type(Key("\(stave) \(scratch.store)"), .enter)
        try job.shows("store> ")
        job.type("echo ab", .control("z"))
        try job.anywhere("Stopped")
        try job.shows("$ ")
        job.type("echo outside", .enter)
        try job.above("$ echo outside", "outside")
        job.type("fg", .enter)
        try job.shows("store> echo ab")
        job.type("c", .enter)
        try job.above("store> echo abc", "abc", at: "store> ")
        job.type(.control("d"))
        try job.shows("$ ")
        job.type("exit", .enter)
        #expect(job.terminal.waitForExit() == 0)
    }

    @Test("A stop from outside puts the terminal in order first", arguments: ["TSTP", "STOP"])
    func stopFromOutside(signal: String) throws {
        let job = try scratch.jobShell()
        job.type(Key("cd \(scratch.path)"), .enter)
        let stop = "(until [ -e go ]; do sleep 0.1; done; kill -\(signal) $(cat pid)) &"
        job.type(Key("\(stop) sh -c 'echo $$ > pid; exec \(stave) \(scratch.store)'"), .enter)
        try job.shows("store> ")
        try scratch.write("", to: "go")
        try job.anywhere("Stopped")
        try job.screen("the job shell's prompt") { $0.cursorLine.hasSuffix("$") }
        job.type("fg", .enter)
        try job.shows("store> ")
        job.type("echo ab", .enter)
        try job.above("store> echo ab", "ab", at: "store> ")
        job.type(.control("d"))
        try job.shows("$ ")
        job.type("exit", .enter)
        #expect(job.terminal.waitForExit() == 0)
    }

    @Test("SIGTERM and SIGHUP close the store and end as signals do", arguments: [SIGTERM, SIGHUP])
    func ending(signal: Int32) throws {
        let shell = try scratch.shell(["--durability", "os"])
        try shell.enter("set a 1", "OK")
        shell.type("set b ")
        try shell.line("set b ")
        shell.terminal.signal(signal)
        #expect(shell.terminal.waitForExit() == 128 + signal)
        // Closed cleanly: trimmed, so that nothing is left to be said.
        let next = try run([scratch.store], script: "get a\ncount\n")
        #expect(next.text == "1\n1\n")
        #expect(next.errors == "")
    }

    @Test("A shell started by another one leaves at Ctrl-D and lets the store go")
    func leavesJob() throws {
        _ = try run(["--create", scratch.store], script: "")
        let job = try scratch.jobShell()
        job.type(Key("\(stave) \(scratch.store); echo status $? > \(scratch.path)/end"), .enter)
        try job.shows("store> ")
        job.type(.control("d"))
        try job.shows("$ ")
        job.type("exit", .enter)
        #expect(job.terminal.waitForExit() == 0)
        #expect(try run([scratch.store, "count"]).text == "0\n")
    }
}
