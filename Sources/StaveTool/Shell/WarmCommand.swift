internal import Stave

extension CommandTable {
    static let warmCommand = Command(
        "warm", "", .read, "load the live segments into memory",
        details: [
            "Reads after it find their records there, until the system needs the memory otherwise.",
            "stats says how much is resident. Ctrl-C stops it; what is loaded stays.",
        ],
        examples: ["warm", "warm  # before a measurement, or after a restart"]
    ) { session, invocation throws(CommandError) in try session.warm(invocation) }
}

extension Session {
    func warm(_ invocation: Invocation) throws(CommandError) {
        flush()
        do throws(StoreError) {
            var bar = try makeStoreBar("loading")
            defer { bar?.erase() }
            let (bytes, resident) = try store.warm { [self] fraction in
                bar?.show(fraction)
                return !isInterrupted()
            }
            bar?.erase()
            reply("\(Units.bytes(min(resident, bytes))) of \(Units.bytes(bytes)) in memory")
        } catch {
            throw CommandError(error, at: invocation.words[0])
        }
        reportStop()
    }
}
