import Glibc
import TestSupport
import Testing

@testable import Stave
@testable import StaveTool

struct MailboxTests {
    private func freed(_ bytes: Int) -> StoreEvent {
        var report = CompactionReport()
        report.freedBytes = bytes
        return .compacted(report)
    }

    private let full = StoreEvent.compactionFailed(
        .system(operation: "write", file: "00\u{1B}[1", code: ENOSPC, reason: "no space left"))

    @Test("At a prompt: notable successes, and each failure once until something else happens")
    func interactive() {
        let mailbox = Mailbox(isInteractive: true)
        #expect(mailbox.isEmpty)
        for event in [full, full, freed(1 << 20), full, freed(3 << 29)] { mailbox.receive(event) }
        #expect(!mailbox.isEmpty)
        let failure = "compaction failed: cannot write 00[1: no space left"
        #expect(mailbox.take() == [failure, failure, "compaction freed 1.5 GiB"])
        #expect(mailbox.isEmpty)
    }

    @Test("Anywhere: that no thread can be had, and what that means")
    func noThread() {
        let mailbox = Mailbox(isInteractive: false)
        let error = StoreError.system(
            operation: "start a thread for", file: "people", code: EAGAIN, reason: "try again")
        mailbox.receive(.threadFailed(.syncing, error))
        #expect(
            mailbox.take() == [
                "cannot start a thread for people: try again;"
                    + " each write is synced before it returns until there is one"
            ])
    }

    @Test("In a script: the first failure only")
    func script() {
        let mailbox = Mailbox(isInteractive: false)
        for event in [freed(1 << 30), full, freed(1 << 30), .compactionFailed(.closed), full] {
            mailbox.receive(event)
        }
        #expect(mailbox.take() == ["compaction failed: cannot write 00[1: no space left"])
    }
}

struct BackgroundMessageTests {
    private let scratch = Scratch()

    @Test("A compaction in the background is told above the prompt, and the typed text stays")
    func aboveThePrompt() throws {
        let path = scratch.path + "/value"
        _ = try run(["--create", scratch.store + ".other"], script: "")
        let value = String(repeating: "v", count: 6 << 20)
        let script = "set v \(value)\nget v > \(path)\n"
        #expect(try run([scratch.store + ".other"], script: script).status == 0)

        let shell = try scratch.shell(["--segment-size", "1M"], columns: 200)
        try shell.enter("set k < \(path)", "OK")
        shell.type(Key("set k < \(path)"), .enter)
        // The message comes before, while or after this is typed.
        shell.type("echo abc")
        try shell.anywhere("compaction freed 6.0 MiB")
        try shell.line("echo abc")
        shell.type(.left, .left, "def", .enter)
        try shell.above("store> echo adefbc", "adefbc")
        shell.type("stats", .enter)
        try shell.anywhere("compaction  1 so far, last ")
        try shell.anywhere(" ago; next after 5.4 MiB more dead")
        try shell.leave()
    }
}

struct StatsTests {
    private let scratch = Scratch()

    @Test("stats tells of compaction; a read-only store has neither it nor a durability")
    func stats() throws {
        let outcome = try run(
            ["--create", scratch.store], script: "set a 1\nset a 2\ncompact\nstats\nstats --json\n")
        #expect(outcome.text.contains("durability  interval"))
        #expect(outcome.text.contains("\ncompaction  1 so far, last "))
        #expect(outcome.text.contains(" s ago; next after 4.0 MiB more dead\n"))
        #expect(outcome.text.contains("\"lastCompaction\":1"))
        #expect(outcome.text.contains("\"deadBytesToCompaction\":4194304,"))
        #expect(outcome.text.contains("\"compactionFailure\":null,"))
        #expect(outcome.text.contains("\"durability\":\"interval\","))
        #expect(outcome.text.contains("\"threadFailure\":null,"))
        let people = try run([scratch.store, "stats"]).text
        #expect(!people.contains("durability") && !people.contains("compaction"))
        let json = try run([scratch.store, "stats", "--json"]).text
        #expect(json.contains("\"durability\":null,"))
        #expect(json.contains("\"deadBytesToCompaction\":null,"))
        #expect(json.contains("\"lastCompaction\":null,"))
    }
}
