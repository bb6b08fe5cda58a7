internal import Glibc
internal import Stave

extension CommandTable {
    /// Commands about the store as a whole.
    static let storeCommands: [Command] = [
        Command(
            "stats", aliases: ["info"], "[--json]", .read, isPaged: true,
            "show what the store holds and how it lies on disk",
            options: [.init(name: "--json", help: "one JSON object, with every number")],
            examples: ["stats", "stats --json"]
        ) { session, invocation throws(CommandError) in try session.stats(invocation) },
        compactCommand,
        verifyCommand,
        whyCommand,
        warmCommand,
        Command(
            "sync", "", .write, "make everything written so far durable",
            details: ["Answers OK once a power cut can take nothing of it."],
            examples: ["sync", "sync  # after a series of set under --durability os"]
        ) { session, invocation throws(CommandError) in try session.sync(invocation) },
        Command(
            "refresh", "", .read, "see what others have written since the store was opened",
            details: [
                "A read-only shell shows the store as it was when it was opened; this opens it again."
            ],
            examples: ["refresh", "refresh  # where nothing is newer, nothing changes"]
        ) { session, invocation throws(CommandError) in try session.refresh(invocation) },
    ]
}

extension Session {
    func stats(_ invocation: Invocation) throws(CommandError) {
        do throws(StoreError) {
            let statistics = try store.statistics()
            if invocation.has("--json") || settings.format == .json {
                return reply(statistics.json)
            }
            let view = StatsView(
                statistics: statistics, hasColor: settings.hasColor, isPaused: isCompactionPaused,
                saysReadOnly: place != .oneShot,
                isPlain: outputIsTerminal && Environment.isPlainTerminal,
                columns: outputIsTerminal ? ScreenSize.of(STDOUT_FILENO).columns : 80)
            output.write(view.text)
        } catch {
            throw CommandError(error, at: invocation.words[0])
        }
    }

    func sync(_ invocation: Invocation) throws(CommandError) {
        do throws(StoreError) {
            if place == .prompt {
                let call = LongCall { [store] () throws(StoreError) in try store.sync() }
                guard try call.wait(until: isInterrupted) != nil else {
                    return note("(no longer waiting; the sync goes on)")
                }
            } else {
                try store.sync()
            }
        } catch {
            throw CommandError(error, at: invocation.words[0])
        }
        acknowledge("OK")
    }

    /// Replaces a read-only store by one that is opened now; where that fails, the old one stays.
    func refresh(_ invocation: Invocation) throws(CommandError) {
        do throws(StoreError) {
            if store.isReadOnly { try reopenStore() }
        } catch {
            throw CommandError(error, at: invocation.words[0])
        }
        acknowledge("OK")
    }
}
