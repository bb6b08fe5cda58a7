internal import Stave

extension CommandTable {
    /// Commands about the store as a whole.
    static let storeCommands: [Command] = [
        Command(
            "stats", "[--json]", .read, "show what the store holds and how it lies on disk",
            options: [.init(name: "--json", help: "one JSON object, with every number")],
            examples: ["stats", "stats --json"]
        ) { session, invocation throws(CommandError) in try session.stats(invocation) },
        Command(
            "compact", "[--dry-run]", .write, "rewrite what is live and free the rest",
            options: [.init(name: "--dry-run", help: "only say what would be done")],
            readingOption: "--dry-run", examples: ["compact", "compact --dry-run"]
        ) { session, invocation throws(CommandError) in try session.compact(invocation) },
        Command(
            "sync", "", .write, "make everything written so far durable",
            details: ["Answers OK once a power cut can take nothing of it."],
            examples: ["sync", "sync  # after a series of set under --durability os"]
        ) { session, invocation throws(CommandError) in try session.sync(invocation) },
    ]
}

extension Session {
    func stats(_ invocation: Invocation) throws(CommandError) {
        do throws(StoreError) {
            let statistics = try store.statistics()
            let view = StatsView(
                statistics, hasColor: settings.hasColor, saysReadOnly: place != .oneShot)
            output.write(invocation.has("--json") ? view.json + "\n" : view.text)
        } catch {
            throw CommandError(error, at: invocation.words[0])
        }
    }

    func compact(_ invocation: Invocation) throws(CommandError) {
        let isDry = invocation.has("--dry-run")
        do throws(StoreError) {
            let report = try isDry ? store.compactionPlan() : store.compact()
            reply(
                (isDry ? "would compact" : "compacted")
                    + " \(Units.count(report.segmentsBefore, "segment")) into"
                    + " \(Units.count(report.segmentsAfter)):"
                    + " copied \(Units.bytes(report.copiedBytes)),"
                    + " freed \(Units.bytes(report.freedBytes))")
            for damage in report.damage { note("note: \(damage)") }
        } catch {
            throw CommandError(error, at: invocation.words[0])
        }
    }

    func sync(_ invocation: Invocation) throws(CommandError) {
        do throws(StoreError) {
            try store.sync()
        } catch {
            throw CommandError(error, at: invocation.words[0])
        }
        acknowledge("OK")
    }
}
