internal import Glibc
internal import Synchronization

/// A child process in a pseudo-terminal, and what a person would see and type there.
package final class Terminal {
    private var master: Int32
    private let id: pid_t
    /// What came, without what only moves the cursor or sets colors: control sequences, and returns
    /// that no newline follows.
    private var received: [UInt8] = []
    private var unfinished: [UInt8] = []
    /// What was matched so far lies before it.
    private var mark = 0
    private var status: Int32?
    /// What a person sees now.
    package private(set) var screen: Screen
    /// How many bytes came.
    package private(set) var byteCount = 0

    package init(
        _ arguments: [String], environment: [String: String] = [:], columns: UInt16 = 80,
        rows: UInt16 = 24
    ) throws {
        screen = Screen(columns: Int(columns), rows: Int(rows))
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        var master: Int32 = -1
        var slave: Int32 = -1
        var name = [CChar](repeating: 0, count: 128)
        id = try spawning.withLock { _ in
            // SAFETY: fills in both descriptors and the name.
            guard unsafe openpty(&master, &slave, &name, nil, &size) == 0 else {
                throw ChildError(description: "no pseudo-terminal")
            }
            _ = fcntl(master, F_SETFD, FD_CLOEXEC)
            _ = fcntl(slave, F_SETFD, FD_CLOEXEC)
            let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            return try spawn(
                arguments, environment: environment, descriptors: [],
                terminal: String(decoding: bytes, as: UTF8.self))
        }
        close(slave)
        self.master = master
    }

    deinit {
        if status == nil {
            kill(id, SIGKILL)
            _ = awaitExit(of: id)
        }
        if master >= 0 { close(master) }
    }

    package func type(_ text: String) { type(bytes: Array(text.utf8)) }

    package func type(bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // SAFETY: stays inside the slice.
            let count = unsafe rest.withUnsafeBytes {
                unsafe write(master, $0.baseAddress!, $0.count)
            }
            if count <= 0 { return }
            rest = rest.dropFirst(count)
        }
    }

    /// - Parameter manner: from now on.
    package func draw(in manner: Screen.Manner) { screen.manner = manner }

    package func resize(columns: UInt16, rows: UInt16) {
        screen.resize(columns: Int(columns), rows: Int(rows))
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        // SAFETY: reads the struct.
        unsafe _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    package func signal(_ number: Int32) { kill(id, number) }

    /// As when its window is closed. Returns the child's status, as `waitForExit` does.
    package func hangUp() -> Int32 {
        close(master)
        master = -1
        let result = awaitExit(of: id)
        status = result
        return result
    }

    /// Waits until `text` appears behind the last match. Throws with what was seen instead where
    /// the child ends or a long time passes.
    package func expect(_ text: String, timeout: Double = 30) throws {
        let wanted = Array(text.utf8)
        let end = monotonicSeconds() + timeout
        while true {
            if let found = find(wanted) {
                mark = found + wanted.count
                return
            }
            guard monotonicSeconds() < end, readMore() else {
                throw ChildError(description: "expected \(text.debugDescription), saw \(unmatched)")
            }
        }
    }

    /// Waits until the screen is as `condition` says. Throws with what it shows instead where the
    /// child ends or a long time passes.
    package func wait(
        for what: String, timeout: Double = 60, until condition: (Screen) -> Bool
    ) throws {
        let end = monotonicSeconds() + timeout
        while !condition(screen) {
            guard monotonicSeconds() < end, readMore() else {
                let lines = screen.lines.map { "  | " + $0 }.joined(separator: "\n")
                throw ChildError(description: "expected \(what), the screen shows\n\(lines)")
            }
        }
    }

    /// The exit status, or 128 and the number of the signal. A child that does not end is killed.
    package func waitForExit(timeout: Double = 30) -> Int32 {
        if let status { return status }
        let end = monotonicSeconds() + timeout
        while readMore() {
            if monotonicSeconds() > end { kill(id, SIGKILL) }
        }
        let result = awaitExit(of: id)
        status = result
        return result
    }

    /// What came since the last match.
    package var unmatched: String {
        String(decoding: received[mark...], as: UTF8.self).debugDescription
    }

    /// False at the end: EIO, once the other side is closed.
    private func readMore() -> Bool {
        var wait = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        // SAFETY: one entry.
        guard unsafe poll(&wait, 1, 250) > 0 else { return true }
        var buffer = [UInt8](repeating: 0, count: 65536)
        // SAFETY: reads into the array.
        let count = unsafe read(master, &buffer, buffer.count)
        guard count > 0 else { return false }
        screen.feed(buffer[..<count])
        byteCount += count
        if !screen.replies.isEmpty {
            type(screen.replies)
            screen.replies = ""
        }
        unfinished += buffer[..<count]
        while let (length, isText) = firstUnit() {
            if isText { received += unfinished[..<length] }
            unfinished.removeFirst(length)
        }
        return true
    }

    /// The length of the first character or control sequence; nil where it has not come in full.
    private func firstUnit() -> (length: Int, isText: Bool)? {
        guard let first = unfinished.first else { return nil }
        if first == 0x0D {
            guard unfinished.count > 1 else { return nil }
            return unfinished[1] == 0x0A ? (2, true) : (1, false)
        }
        guard first == 0x1B else { return (1, true) }
        guard unfinished.count > 1 else { return nil }
        guard unfinished[1] == UInt8(ascii: "[") else { return (2, false) }
        let final = unfinished.dropFirst(2).firstIndex { (0x40...0x7E).contains($0) }
        return final.map { ($0 + 1, false) }
    }

    private func find(_ wanted: [UInt8]) -> Int? {
        guard received.count - mark >= wanted.count else { return nil }
        return (mark...(received.count - wanted.count)).first {
            received[$0..<($0 + wanted.count)].elementsEqual(wanted)
        }
    }
}
