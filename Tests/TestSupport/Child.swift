internal import Glibc
internal import Synchronization

/// Why a child could not be started or did not do what was expected of it.
package struct ChildError: Error, CustomStringConvertible {
    package var description: String
}

/// The program under test lies beside the test bundle.
package func builtProduct(_ name: String) -> String {
    var path = [CChar](repeating: 0, count: 4096)
    // SAFETY: readlink fills in at most the array less one byte, which stays zero.
    unsafe _ = readlink("/proc/self/exe", &path, path.count - 1)
    let bytes = path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    let executable = String(decoding: bytes, as: UTF8.self)
    return executable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/" + name
}

/// Held while descriptors are made and a child is started: one that another thread starts between a
/// pipe and its close-on-exec flag would keep the pipe open, and the end of input would never come.
let spawning = Mutex<Void>(())

/// Seconds of CLOCK_MONOTONIC.
func monotonicSeconds() -> Double {
    var time = timespec()
    // SAFETY: fills in the struct.
    unsafe _ = clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Starts a process whose descriptors 0 to 2 are the given ones, in a session of its own. Signals
/// are unblocked and at their defaults: threads of a test runner block some, and a mask survives
/// exec. Other descriptors of the test runner, or of what started it, are closed: some tests leave
/// a child with few.
///
/// - Parameter terminal: a terminal's name, opened as descriptors 0 to 2 instead; the first
///   terminal that a session's leader opens becomes its controlling terminal.
func spawn(
    _ arguments: [String], environment: [String: String], descriptors: [Int32],
    terminal: String? = nil
) throws -> pid_t {
    let argumentTexts = unsafe arguments.map { unsafe strdup($0) } + [nil]
    let environmentTexts = unsafe environment.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
    defer {
        // SAFETY: strdup's memory, freed once.
        unsafe argumentTexts.forEach { unsafe free($0) }
        unsafe environmentTexts.forEach { unsafe free($0) }
    }
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    var none = sigset_t()
    var all = sigset_t()
    // SAFETY: all four are initialised before they are used and destroyed once.
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
        unsafe posix_spawn_file_actions_destroy(&actions)
        unsafe posix_spawnattr_destroy(&attributes)
    }
    unsafe sigemptyset(&none)
    unsafe sigfillset(&all)
    let setsid: Int16 = 0x80  // POSIX_SPAWN_SETSID, which Glibc's module does not show
    unsafe posix_spawnattr_setflags(
        &attributes, setsid | Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK))
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    if let terminal {
        unsafe posix_spawn_file_actions_addopen(&actions, 0, terminal, O_RDWR, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, 0, 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, 0, 2)
    }
    for (target, descriptor) in descriptors.enumerated() {
        unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(target))
    }
    for descriptor in 3..<Int32(min(sysconf(Int32(_SC_OPEN_MAX)), 1024)) {
        unsafe posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    var id: pid_t = 0
    let code = unsafe posix_spawn(
        &id, arguments[0], &actions, &attributes, argumentTexts, environmentTexts)
    guard code == 0 else {
        throw ChildError(description: unsafe "\(arguments[0]): \(String(cString: strerror(code)))")
    }
    return id
}

/// The exit status, or 128 and the number of the signal.
func awaitExit(of id: pid_t) -> Int32 {
    var status: Int32 = 0
    // SAFETY: fills in the status.
    while unsafe waitpid(id, &status, 0) < 0 && errno == EINTR {}
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
}

/// A child process behind three pipes.
package final class PipedChild {
    private let id: pid_t
    private var input: Int32
    private var outputs: [Int32]
    private var gathered: [[UInt8]] = [[], []]
    private var ended = [false, false]
    private var status: Int32?

    package init(_ arguments: [String], environment: [String: String] = [:]) throws {
        // A child that ends early fails its test; it does not end the tests. Children get the
        // default.
        _ = Glibc.signal(SIGPIPE, SIG_IGN)
        var pipes: [[Int32]] = []
        id = try spawning.withLock { _ in
            for _ in 0..<3 {
                var ends: [Int32] = [0, 0]
                // SAFETY: fills in two descriptors.
                guard unsafe pipe(&ends) == 0 else { throw ChildError(description: "no pipe") }
                for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
                pipes.append(ends)
            }
            return try spawn(
                arguments, environment: environment,
                descriptors: [pipes[0][0], pipes[1][1], pipes[2][1]])
        }
        for end in [pipes[0][0], pipes[1][1], pipes[2][1]] { close(end) }
        input = pipes[0][1]
        outputs = [pipes[1][0], pipes[2][0]]
        _ = fcntl(input, F_SETFL, O_NONBLOCK)
    }

    deinit {
        if status == nil {
            kill(id, SIGKILL)
            _ = awaitExit(of: id)
        }
        closeInput()
        for output in outputs where output >= 0 { close(output) }
    }

    package var output: [UInt8] { gathered[0] }
    package var errors: String { String(decoding: gathered[1], as: UTF8.self) }

    package var processID: Int32 { id }

    /// What stdout held so far; it is forgotten then.
    package func takeOutput() -> [UInt8] {
        defer { gathered[0] = [] }
        return gathered[0]
    }

    package func signal(_ number: Int32) { kill(id, number) }

    package func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// Closes the reading end, as `head` does.
    package func closeOutput() {
        close(outputs[0])
        outputs[0] = -1
        ended[0] = true
    }

    /// Writes all of `bytes`, and reads what the child says meanwhile.
    package func send(_ bytes: [UInt8]) {
        var done = 0
        while done < bytes.count {
            // SAFETY: stays inside the array.
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(input, $0.baseAddress! + done, $0.count - done)
            }
            if count > 0 { done += count }
            if count < 0, errno != EAGAIN, errno != EINTR { return }
            if done < bytes.count { _ = pump(waitingToWrite: true) }
        }
    }

    package func send(_ text: String) { send(Array(text.utf8)) }

    /// Waits until stdout holds `text`; false where it ended or a long time passed without.
    package func waitForOutput(_ text: String, timeout: Double = 60) -> Bool {
        let wanted = Array(text.utf8)
        let end = monotonicSeconds() + timeout
        while !contains(wanted, in: output) {
            guard !ended[0], monotonicSeconds() < end else { return contains(wanted, in: output) }
            _ = pump(waitingToWrite: false)
        }
        return true
    }

    /// The same for stderr.
    package func waitForErrors(_ text: String, timeout: Double = 60) -> Bool {
        let end = monotonicSeconds() + timeout
        while !errors.contains(text) {
            guard !ended[1], monotonicSeconds() < end else { return errors.contains(text) }
            _ = pump(waitingToWrite: false)
        }
        return true
    }

    /// Closes the input, reads to the end and returns the exit status.
    package func finish() -> Int32 {
        closeInput()
        while ended != [true, true] { _ = pump(waitingToWrite: false) }
        if let status { return status }
        let result = awaitExit(of: id)
        status = result
        return result
    }

    /// Waits for the exit without reading anything; nil where it does not come.
    package func waitForExit(seconds: Double) -> Int32? {
        let end = monotonicSeconds() + seconds
        while monotonicSeconds() < end {
            var info = unsafe siginfo_t()
            // SAFETY: fills in the struct and leaves the child to be waited for.
            let code = unsafe waitid(P_PID, id_t(id), &info, WEXITED | WNOHANG | WNOWAIT)
            if unsafe code == 0 && info.si_signo == SIGCHLD {
                let result = awaitExit(of: id)
                status = result
                return result
            }
            usleep(10_000)
        }
        return nil
    }

    /// Reads what there is, waiting for a while where there is nothing.
    private func pump(waitingToWrite: Bool) -> Bool {
        var waits = outputs.indices.map {
            pollfd(fd: ended[$0] ? -1 : outputs[$0], events: Int16(POLLIN), revents: 0)
        }
        if waitingToWrite { waits.append(pollfd(fd: input, events: Int16(POLLOUT), revents: 0)) }
        // SAFETY: as many entries as the array has.
        guard unsafe poll(&waits, nfds_t(waits.count), 250) > 0 else { return false }
        for index in outputs.indices where waits[index].revents != 0 {
            var buffer = [UInt8](repeating: 0, count: 65536)
            // SAFETY: reads into the array.
            let count = unsafe read(outputs[index], &buffer, buffer.count)
            if count > 0 { gathered[index] += buffer[..<count] } else { ended[index] = true }
        }
        return true
    }

    private func contains(_ wanted: [UInt8], in bytes: [UInt8]) -> Bool {
        guard bytes.count >= wanted.count else { return false }
        return (0...(bytes.count - wanted.count)).contains {
            bytes[$0..<($0 + wanted.count)].elementsEqual(wanted)
        }
    }
}
