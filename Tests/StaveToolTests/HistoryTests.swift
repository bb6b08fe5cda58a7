import Glibc
import TestSupport
import Testing

@testable import StaveTool

struct HistoryTests {
    private let scratch = Scratch()

    @Test("Two shells keep both their lines")
    func merged() {
        let one = History(path: scratch.history)
        let two = History(path: scratch.history)
        #expect(one.add("first"))
        #expect(two.add("second\nline \\n"))
        #expect(one.add("third"))
        one.save(waiting: true)
        two.save(waiting: true)
        #expect(
            History(path: scratch.history).lines.sorted() == ["first", "second\nline \\n", "third"])
    }

    @Test("Repetitions, empty lines and lines that begin with a space are left out")
    func leftOut() {
        let history = History(path: scratch.history)
        #expect(history.add("a"))
        #expect(!history.add("a"))
        #expect(!history.add(""))
        #expect(!history.add(" secret"))
        #expect(history.add("b"))
        #expect(history.add("a"))
        history.save(waiting: true)
        #expect(History(path: scratch.history).lines == ["a", "b", "a"])
    }

    @Test("The file is the user's alone, and has an end")
    func file() throws {
        let history = History(path: scratch.path + "/new/folders/history")
        for number in 0..<(History.capacity + 5) { _ = history.add("line \(number)") }
        // Children that other tests start may hold the lock for a moment between fork and exec.
        history.save(waiting: true)
        #expect(history.problem == nil)
        var status = stat()
        // SAFETY: fills in the struct.
        #expect(unsafe stat(scratch.path + "/new/folders/history", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        let again = History(path: scratch.path + "/new/folders/history")
        #expect(again.lines.count == History.capacity)
        #expect(again.lines.last == "line \(History.capacity + 4)")
    }

    @Test("No other user can read it at any moment, not even while it is written")
    func modeFromTheFirstByte() throws {
        let isDone = Flag()
        defer { isDone.set() }
        let path = scratch.history
        let seen = BackgroundThread {
            var modes: Set<mode_t> = []
            while !isDone.isSet {
                for file in [path, "\(path).\(getpid()).tmp"] {
                    var status = stat()
                    // SAFETY: fills in the struct.
                    if unsafe stat(file, &status) == 0 { modes.insert(status.st_mode & 0o777) }
                }
            }
            return modes
        }
        let history = History(path: path)
        for number in 0..<500 { _ = history.add("line \(number)") }
        history.save(waiting: true)
        isDone.set()
        #expect(try seen.join() == [0o600])
    }

    @Test("A file of another program is never written")
    func foreign() throws {
        let descriptor = unsafe open(scratch.history, O_WRONLY | O_CREAT, 0o644)
        // SAFETY: the literal has five bytes.
        unsafe _ = write(descriptor, "mine\n", 5)
        close(descriptor)
        let history = History(path: scratch.history)
        #expect(history.problem != nil)
        _ = history.add("a")
        var status = stat()
        // SAFETY: fills in the struct.
        unsafe _ = stat(scratch.history, &status)
        #expect(status.st_size == 5)
    }
}
