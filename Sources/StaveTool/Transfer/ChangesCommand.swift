internal import ArgumentParser
internal import Glibc
internal import Stave

/// How changes are written.
enum ChangeFormat: String, CaseIterable, ExpressibleByArgument {
    /// Lines that the shell takes: `set KEY VALUE`, `delete KEY`, and `# next POSITION`.
    case quoted
    /// An object a line.
    case json
    /// SET and DEL, as `redis-cli --pipe` takes them.
    case resp
}

/// A position, or `now`.
enum ChangeStart: ExpressibleByArgument {
    case position(ChangePosition)
    case now

    init?(argument: String) {
        if argument == "now" {
            self = .now
        } else if let position = ChangePosition(argument) {
            self = .position(position)
        } else {
            return nil
        }
    }
}

/// `stave changes DIR --since N --follow`.
struct ChangesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stave changes",
        abstract: "Write what became of the keys that were written to since a number.",
        discussion: """
            Of each key the newest write behind the number, a value or a deletion, in the order of \
            the writes; only what is durable. Reads the files beside a writer, without the lock. \
            What is to stand behind --since the next time is said as next: in a line of its own, \
            for resp on stderr. Without --since it begins with all that the store holds, for an \
            empty copy. Exit status: 0 done, 2 an error, 3 begin anew, because deletions since the \
            number were dropped (see --keep-deletions) or it is not this store's, 64 usage.
            """)

    @Argument(help: "The store's directory.")
    var directory: String
    @Option(
        help: ArgumentHelp(
            "Begin behind this number, as next said it; or now.", valueName: "number"))
    var since: ChangeStart = .position(.start)
    @Flag(help: "Go on with what is written from now on, until Ctrl-C.")
    var follow = false
    @Option(help: "quoted: lines of the shell; json: objects; resp: for redis-cli --pipe.")
    var format: ChangeFormat = .quoted
    @Option(help: ArgumentHelp("Only keys that begin with this.", valueName: "text"))
    var prefix = ""
    @Option(help: ArgumentHelp("Only keys of these slots of a Redis Cluster.", valueName: "a-b"))
    var slots: String?
    @Option(
        help: ArgumentHelp(
            "For resp: set this key to the number to go on from, behind the changes.",
            valueName: "key"))
    var mark: String?

    func validate() throws {
        if let slots, RedisSlots.parse(slots) == nil {
            throw ValidationError("--slots takes A-B, from 0 to 16,383, or several with commas")
        }
        if mark != nil, format != .resp { throw ValidationError("--mark is for resp") }
        if mark?.isEmpty == true { throw ValidationError("--mark needs a key") }
    }

    func run() throws {
        Signals.install(interactive: false)
        let output = OutputWriter(descriptor: STDOUT_FILENO, name: "stdout")
        let printer = ChangePrinter(
            format, to: output, prefix: Array(prefix.utf8), slots: slots.flatMap(RedisSlots.parse),
            mark: mark.map { Array($0.utf8) })
        var status: Int32 = 0
        do throws(StoreError) {
            let follower = try follower()
            var reached = follower.position
            if try !printer.write(from: follower, reached: &reached) { printer.say(reached) }
            while follow, output.failure == nil, Self.wait() {
                _ = try printer.write(from: follower, reached: &reached)
            }
            output.flush()
            if format == .resp { StaveCommand.complain("next \(reached)") }
        } catch {
            output.flush()
            StaveCommand.complain("stave: \(error.description)")
            status = Self.status(of: error)
        }
        output.flush()
        if output.isBrokenPipe { Signals.raiseDefault(SIGPIPE) }
        if let signal = Signals.endingSignal, !follow { Signals.raiseDefault(signal) }
        if let failure = output.failure, Signals.endingSignal == nil {
            StaveCommand.complain("stave: \(failure.message)")
            status = 2
        }
        throw ExitCode(status)
    }

    private func follower() throws(StoreError) -> StoreFollower {
        switch since {
        case .position(let position):
            return try StoreFollower(path: directory, since: position)
        case .now:
            let follower = try StoreFollower(path: directory)
            try follower.skipToNow()
            return follower
        }
    }

    private static func status(of error: StoreError) -> Int32 {
        switch error {
        case .changesLost, .foreignPosition: 3
        case .noSuchDirectory, .notADirectory, .notAStore: 66
        default: 2
        }
    }

    /// Between two looks; false once a signal came, or what was written is read no more.
    private static func wait() -> Bool {
        _ = Signals.waitToRead(-1, milliseconds: 100)
        if Signals.isInterrupted { return false }
        var look = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        // SAFETY: one entry.
        if unsafe poll(&look, 1, 0) > 0 { Signals.raiseDefault(SIGPIPE) }
        return true
    }
}

/// Writes changes in one of the formats.
struct ChangePrinter {
    private let format: ChangeFormat
    private let output: OutputWriter
    private let prefix: [UInt8]
    private let slots: [ClosedRange<Int>]?
    private let mark: [UInt8]?
    private let resp: RESPEncoder
    private let printer: EntryPrinter

    init(
        _ format: ChangeFormat, to output: OutputWriter, prefix: [UInt8],
        slots: [ClosedRange<Int>]?, mark: [UInt8]?
    ) {
        (self.format, self.output, self.prefix) = (format, output, prefix)
        (self.slots, self.mark) = (slots, mark)
        resp = RESPEncoder(output)
        printer = EntryPrinter(output: output, format: .quoted)
    }

    /// Writes what is new, and where to go on behind it. Where a signal ends it before that, the
    /// number stays the one before.
    ///
    /// - Returns: whether anything was new.
    func write(
        from follower: StoreFollower, reached: inout ChangePosition
    ) throws(StoreError) -> Bool {
        guard var cursor = try follower.next() else {
            reached = follower.position
            return false
        }
        while let change = try cursor.next() {
            if Signals.isInterrupted || output.failure != nil { return true }
            if isWanted(change.key) { write(change) }
        }
        reached = cursor.end
        say(reached)
        return true
    }

    /// Where to go on, in a line of its own or under the key of --mark.
    func say(_ position: ChangePosition) {
        switch format {
        case .quoted: output.write(line: "# next \(position)")
        case .json: output.write(line: JSON.object([("next", .string("\(position)"))]).text)
        case .resp:
            if let mark { writeRESP(mark, Array(position.description.utf8)) }
        }
        output.flush()
    }

    private func isWanted(_ key: [UInt8]) -> Bool {
        guard key.starts(with: prefix) else { return false }
        guard let slots else { return true }
        // SAFETY: the bytes are only read.
        let slot = unsafe key.withUnsafeBytes { unsafe RedisSlots.slot(of: $0) }
        return slots.contains { $0.contains(slot) }
    }

    private func write(_ change: Change) {
        switch format {
        case .quoted: writeLine(change)
        case .json:
            output.write(
                line: JSON.object(change.members + [("version", .unsigned(change.version))]).text)
        case .resp: writeRESP(change.key, change.value)
        }
    }

    private func writeLine(_ change: Change) {
        // SAFETY: the arrays live through the calls.
        unsafe change.key.withUnsafeBytes { key in
            guard let value = change.value else {
                output.write("delete ")
                return unsafe printer.printKey(key)
            }
            output.write("set ")
            unsafe value.withUnsafeBytes { unsafe printer.printEntry(key: key, value: $0) }
        }
    }

    private func writeRESP(_ key: [UInt8], _ value: [UInt8]?) {
        // SAFETY: the arrays live through the calls.
        unsafe key.withUnsafeBytes { key in
            guard let value else { return unsafe resp.delete(key) }
            unsafe value.withUnsafeBytes { unsafe resp.write(key, $0) }
        }
    }
}

extension Change {
    /// Key and value, as all JSON here has them; null for a deletion.
    var members: [(String, JSON)] {
        guard let value else { return [JSON.bytes("key", key), ("value", .null)] }
        return [JSON.bytes("key", key), JSON.bytes("value", value)]
    }
}
