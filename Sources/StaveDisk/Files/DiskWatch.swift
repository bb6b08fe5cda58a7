#if STAVE_FAULTS
    internal import Glibc
    internal import Synchronization

    /// Sees every system call on the files below a directory, and may make it fail. For tests; not
    /// compiled into what users run.
    package protocol DiskWatcher: AnyObject, Sendable {
        /// Before the call: the errno with which it shall fail instead of being made, or nil.
        func willCall(_ call: SystemCall, _ path: String) -> Int32?
        /// Before a read or write of `range`: how many of its bytes the call shall take, at least
        /// 1.
        func willTransfer(_ range: Range<Int>, _ call: SystemCall, _ path: String) -> Int
        /// After it; `hasFailed` also where `willCall` said so.
        func didCall(_ call: SystemCall, _ path: String, hasFailed: Bool)
    }

    /// Who watches which directory. Tests run beside each other in one process, so a watcher sees
    /// only what is below its own.
    package enum DiskWatch {
        private struct Entry {
            var prefix: String
            var watcher: any DiskWatcher
        }

        private static let entries = Mutex<[Entry]>([])
        /// So that calls take no lock where no test watches.
        private static let count = Atomic<Int>(0)

        /// From now on `watcher` sees the calls on `directory` and what is in it. Watchers are
        /// asked in the order in which they were added, except for one that goes `first`.
        package static func add(
            _ watcher: any DiskWatcher, at directory: String, first: Bool = false
        ) {
            entries.withLock {
                $0.insert(Entry(prefix: directory, watcher: watcher), at: first ? 0 : $0.count)
            }
            count.wrappingAdd(1, ordering: .sequentiallyConsistent)
        }

        package static func remove(_ watcher: any DiskWatcher) {
            entries.withLock { entries in
                entries.removeAll { $0.watcher === watcher }
                count.store(entries.count, ordering: .sequentiallyConsistent)
            }
        }

        private static func watchers(of path: String) -> [any DiskWatcher] {
            if count.load(ordering: .relaxed) == 0 { return [] }
            return entries.withLock { entries in
                entries.filter { path == $0.prefix || path.hasPrefix($0.prefix + "/") }
                    .map(\.watcher)
            }
        }

        static func around<Result: SignedInteger>(
            _ call: SystemCall, _ path: String, _ body: () -> Result
        ) -> Result {
            let watchers = watchers(of: path)
            var code: Int32?
            for watcher in watchers where code == nil { code = watcher.willCall(call, path) }
            let result = code == nil ? body() : -1
            let error = code ?? errno
            for watcher in watchers { watcher.didCall(call, path, hasFailed: result == -1) }
            errno = error
            return result
        }

        static func shortened(_ range: Range<Int>, _ call: SystemCall, _ path: String) -> Int {
            watchers(of: path).reduce(range.count) {
                $1.willTransfer(range.lowerBound..<(range.lowerBound + $0), call, path)
            }
        }
    }
#endif
