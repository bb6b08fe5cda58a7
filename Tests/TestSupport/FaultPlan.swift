#if STAVE_FAULTS
    internal import Glibc
    package import StaveDisk
    internal import Synchronization

    /// One system call that fails, or all from one on.
    package struct Fault: Sendable, CustomStringConvertible {
        package enum Kind: Sendable, Equatable {
            /// The call is not made and fails with this errno.
            case error(Int32)
            /// A read or write takes one byte only.
            case short
        }

        package var call: SystemCall
        /// Counted from 1, among the calls of this kind.
        package var number: Int
        package var kind: Kind
        /// Every later call of the kind fails too.
        package var isLasting: Bool

        package init(_ call: SystemCall, _ number: Int, _ kind: Kind, isLasting: Bool = false) {
            (self.call, self.number, self.kind) = (call, number, kind)
            self.isLasting = isLasting
        }

        /// Nothing that a caller may notice.
        package var isHarmless: Bool {
            kind == .short || kind == .error(EINTR)
                || [.startThread, .advise, .fence, .setAccess].contains(call)
        }

        package var description: String {
            let text =
                switch kind {
                // SAFETY: strerror returns a string that lasts until the thread's next call.
                case .error(let code): unsafe String(cString: strerror(code))
                case .short: "takes 1 byte"
                }
            return "\(call) number \(number)\(isLasting ? " and later" : ""): \(text)"
        }
    }

    extension SystemCall {
        /// What may go wrong with a call of this kind.
        package var failures: [Fault.Kind] {
            switch self {
            case .read: [.error(EIO), .error(EINTR), .short]
            case .write: [.error(EIO), .error(ENOSPC), .error(EINTR), .short]
            case .reserve: [.error(EIO), .error(ENOSPC), .error(EINTR), .error(EOPNOTSUPP)]
            case .open: [.error(EIO), .error(EMFILE), .error(ENOSPC), .error(EINTR)]
            case .map, .allocate: [.error(ENOMEM)]
            case .advise: [.error(ENOMEM), .error(EINVAL)]
            case .setAccess: [.error(EPERM)]
            case .fence: [.error(ENOMEM)]
            case .sync, .syncData, .syncDirectory: [.error(EIO), .error(ENOSPC), .error(EINTR)]
            case .rename: [.error(EIO), .error(ENOSPC)]
            case .link: [.error(EIO), .error(EXDEV), .error(ENOSPC)]
            case .lock: [.error(ENOLCK), .error(EINTR)]
            case .startThread: [.error(EAGAIN)]
            case .examine, .list, .remove, .makeDirectory, .truncate: [.error(EIO)]
            }
        }

        /// Each of them, once and for good.
        package func faults(number: Int) -> [Fault] {
            let once = failures.map { Fault(self, number, $0) }
            // A signal that interrupts every call would be waited for without end.
            let lasting = failures.filter { $0 != .error(EINTR) }
                .map { Fault(self, number, $0, isLasting: true) }
            return once + lasting
        }
    }

    /// Counts the calls below a directory and makes one of them fail.
    package final class FaultPlan: DiskWatcher {
        private struct State {
            var counts: [SystemCall: Int] = [:]
            /// The file of the last calls of each kind, and how many there were in a row.
            var rows: [SystemCall: (path: String, length: Int)] = [:]
            var repeats: [SystemCall: [Int]] = [:]
            var injected = 0
            var failedPaths: Set<String> = []
            /// The next transfer of this kind is short.
            var shortens: SystemCall?
        }

        package let fault: Fault?
        private let state = Mutex(State())

        package init(_ fault: Fault? = nil) { self.fault = fault }

        /// Calls made or failed so far.
        package var counts: [SystemCall: Int] { state.withLock { $0.counts } }
        /// The numbers of those that one file had many of before, in a row.
        package var repeats: [SystemCall: [Int]] { state.withLock { $0.repeats } }
        /// How many of them this plan made fail.
        package var injected: Int { state.withLock { $0.injected } }
        /// The files whose calls it made fail.
        package var failedPaths: Set<String> { state.withLock { $0.failedPaths } }

        package func willTransfer(_ range: Range<Int>, _ call: SystemCall, _ path: String) -> Int {
            guard let fault, fault.call == call, fault.kind == .short else { return range.count }
            return state.withLock { state in
                // The count of the call that follows.
                let number = state.counts[call, default: 0] + 1
                guard number == fault.number || (fault.isLasting && number > fault.number) else {
                    return range.count
                }
                state.injected += 1
                return 1
            }
        }

        package func willCall(_ call: SystemCall, _ path: String) -> Int32? {
            state.withLock { state in
                let number = state.counts[call, default: 0] + 1
                state.counts[call] = number
                let length = state.rows[call]?.path == path ? state.rows[call]!.length + 1 : 1
                state.rows[call] = (path, length)
                if length > 16 { state.repeats[call, default: []].append(number) }
                guard let fault, fault.call == call, case .error(let code) = fault.kind,
                    number == fault.number || (fault.isLasting && number > fault.number)
                else { return nil }
                state.injected += 1
                state.failedPaths.insert(path)
                return code
            }
        }

        package func didCall(_ call: SystemCall, _ path: String, hasFailed: Bool) {}

        /// Runs `body` with this plan on everything below `directory`.
        package func run<Result>(
            at directory: String, _ body: () throws -> Result
        ) rethrows -> Result {
            DiskWatch.add(self, at: directory)
            defer { DiskWatch.remove(self) }
            return try body()
        }
    }

    /// The end of a process, for a store that lives on in a test: from a call on, none is made.
    package final class SuddenEnd: DiskWatcher {
        private struct State {
            var callsLeft: Int
            var hasCome = false
        }

        private let state: Mutex<State>
        private let onEnd: @Sendable () -> Void

        /// - Parameter onEnd: called once, when it comes.
        package init(after calls: Int, onEnd: @escaping @Sendable () -> Void) {
            state = Mutex(State(callsLeft: calls))
            self.onEnd = onEnd
        }

        package func willTransfer(_ range: Range<Int>, _ call: SystemCall, _ path: String) -> Int {
            range.count
        }

        package func willCall(_ call: SystemCall, _ path: String) -> Int32? {
            let (isOver, isFirst) = state.withLock { state in
                state.callsLeft -= 1
                let isFirst = state.callsLeft < 0 && !state.hasCome
                if isFirst { state.hasCome = true }
                return (state.hasCome, isFirst)
            }
            if isFirst { onEnd() }
            return isOver ? EIO : nil
        }

        package func didCall(_ call: SystemCall, _ path: String, hasFailed: Bool) {}
    }
#endif
