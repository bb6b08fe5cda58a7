internal import Glibc

/// What this room asks of the kernel, by kind: the words of its errors, and what a test may watch.
package enum SystemCall: String, CaseIterable, Sendable {
    case open
    case makeDirectory
    case list
    case examine
    case read
    case write
    case reserve
    case truncate
    case map
    case sync
    case syncData
    case syncDirectory
    case rename
    case link
    case remove
    case lock
    case setAccess
    /// Memory without a file.
    case allocate
    /// What the kernel may do with pages: only a hint.
    case advise
    case fence
    case startThread

    /// As in "cannot open".
    var verb: String {
        switch self {
        case .open, .list, .examine, .read, .write, .map, .rename, .link, .remove, .lock: rawValue
        case .makeDirectory: "create"
        case .allocate: "get memory for"
        case .advise: "advise on"
        case .fence: "order the memory of"
        case .startThread: "start a thread for"
        case .setAccess: "set the access of"
        case .reserve: "reserve space in"
        case .truncate: "cut"
        case .sync, .syncData, .syncDirectory: "sync"
        }
    }
}

/// Makes one system call, which returns -1 and sets errno where it fails.
@inline(__always)
func attempt<Result: SignedInteger>(
    _ call: SystemCall, _ path: String, _ body: () -> Result
) -> Result {
    #if STAVE_FAULTS
        DiskWatch.around(call, path, body)
    #else
        body()
    #endif
}

/// Repeats `body` while a signal interrupts it. Throws where it returns -1.
@discardableResult
func retrying<Result: SignedInteger>(
    _ call: SystemCall, _ path: String, _ body: () -> Result
) throws(FileError) -> Result {
    while true {
        let result = attempt(call, path, body)
        if result != -1 { return result }
        if errno != EINTR { throw FileError(call.verb, path, code: errno) }
    }
}

/// How many bytes of `range` the next call may take: all of them, unless a test wants it to take
/// fewer.
@inline(__always)
func permitted(_ range: Range<Int>, _ call: SystemCall, _ path: String) -> Int {
    #if STAVE_FAULTS
        DiskWatch.shortened(range, call, path)
    #else
        range.count
    #endif
}
