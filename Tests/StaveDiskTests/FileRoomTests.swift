import Glibc
import StaveDisk
import TestSupport
import Testing

@Suite("The file room")
struct FileRoomTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func opens(_ name: String, _ mode: File.Mode) throws -> Bool {
        let directory = try Directory(path: folder.path)
        do {
            _ = try directory.open(name, mode)
            return true
        } catch {
            return false
        }
    }

    @Test("A symbolic link, FIFO or directory in a file's place is refused, without waiting")
    func strangers() throws {
        folder.write([1], to: "real")
        folder.makeLink("link", to: "real")
        folder.makeLink("loop", to: "loop")
        folder.makeFIFO("fifo")
        folder.makeFolder("folder")
        for mode in [File.Mode.read, .readWrite, .create] {
            for name in ["link", "loop", "fifo", "folder"] { #expect(try !opens(name, mode)) }
        }
        #expect(try opens("real", .read))
        #expect(try !opens("real", .create), "its name is taken")
        #expect(throws: FileError.self) { _ = try File.opening(folder.path("fifo")) }
        #expect(throws: FileError.self) { _ = try File.opening(folder.path("folder")) }
        #expect(throws: FileError.self) { _ = try Directory(path: folder.path("fifo")) }
    }

    @Test("Replacing puts the new contents in place and leaves no other file")
    func replace() throws {
        let directory = try Directory(path: folder.path)
        for text in ["first", "the second is longer", "", "3"] {
            let bytes = Array(text.utf8)
            // What a crash left of an earlier try is in no one's way.
            folder.write([9, 9, 9], to: "MANIFEST.tmp")
            unsafe try directory.replace(.manifest, with: bytes.span.bytes)
            #expect(folder.read("MANIFEST") == bytes)
            #expect(try directory.names() == ["MANIFEST"])
        }
    }

    @Test("A reader that has the old file open keeps the old bytes: replacing is a rename")
    func oldBytesStay() throws {
        let directory = try Directory(path: folder.path)
        folder.write([1, 2, 3], to: "MANIFEST")
        let old = try directory.open("MANIFEST", .read)
        let new: [UInt8] = [4, 5]
        unsafe try directory.replace(.manifest, with: new.span.bytes)
        let kept = try old.contents(limit: 10)
        #expect(kept == [1, 2, 3])
        #expect(folder.read("MANIFEST") == [4, 5])
    }

    @Test("Replacing that fails leaves the old contents and no temporary file")
    func failedReplace() throws {
        let directory = try Directory(path: folder.path)
        folder.makeFolder("MANIFEST")
        let bytes: [UInt8] = [1]
        #expect(throws: FileError.self) {
            unsafe try directory.replace(.manifest, with: bytes.span.bytes)
        }
        #expect(try directory.names() == ["MANIFEST"])
    }

    @Test("The lock keeps a second descriptor out, in this process too, until it is let go")
    func lock() throws {
        let directory = try Directory(path: folder.path)
        do {
            guard let lock = try StoreLock.acquire(in: directory) else {
                Issue.record("a free lock was not given")
                return
            }
            #expect(try StoreLock.acquire(in: directory) == nil)
            #expect(StoreLock.holder(in: directory) == nil)
            lock.announce()
            #expect(StoreLock.holder(in: directory) != nil)
            _ = consume lock
        }
        #expect(try StoreLock.acquire(in: directory) != nil)
        #expect(try directory.names() == ["LOCK"], "the file is never removed")
    }

    /// Numbers of processes are given again, and a container counts for itself.
    @Test("A holder is named only where LOCK says a process that is there, by more than its number")
    func holder() throws {
        let directory = try Directory(path: folder.path)
        guard let lock = try StoreLock.acquire(in: directory) else {
            Issue.record("a free lock was not given")
            return
        }
        lock.announce()
        let text = String(decoding: folder.read("LOCK"), as: UTF8.self)
        let words = text.dropLast().split(separator: " ").map(String.init)
        #expect(words.count == 5 && words[0] == "\(getpid())")
        #expect(text.utf8.count <= 64, "versions before read no more")
        #expect(StoreLock.holder(in: directory) == Int(getpid()))
        let other = ["1", "started", words[2], "in", words[4]]
        let later = [words[0], "started", "\(UInt64(words[2])! + 1)", "in", words[4]]
        let elsewhere = [words[0], "started", words[2], "in", "pid:[1]"]
        let old = [words[0]]
        let gone = ["2147483647", "started", words[2], "in", words[4]]
        let texts = [other, later, elsewhere, old, gone].map { $0.joined(separator: " ") + "\n" }
        for text in texts + [
            "", "\n", "x", "-1 started 1 in x", String(repeating: "9", count: 200),
        ] {
            try StoreFolder.write(Array(text.utf8), folder.path, "LOCK")
            #expect(StoreLock.holder(in: directory) == nil, "\(text)")
        }
        withExtendedLifetime(lock) {}
    }

    @Test("Contents are read up to a limit, and writes land where they should")
    func contents() throws {
        let directory = try Directory(path: folder.path)
        let file = try directory.open("new", .create)
        let bytes: [UInt8] = [1, 2, 3]
        unsafe try file.write(bytes.span.bytes, at: 2)
        #expect(try file.size() == 5)
        #expect(try file.contents(limit: 5) == [0, 0, 1, 2, 3])
        #expect(throws: FileError.self) { _ = try file.contents(limit: 4) }
        try file.truncate(to: 3)
        #expect(folder.read("new") == [0, 0, 1])
        #expect(directory.size(of: "new") == 3)
        #expect(directory.size(of: "none") == nil)
    }

    @Test("A file whose length a reader shares is not cut")
    func sharedLength() throws {
        folder.write([1, 2, 3], to: "file")
        let directory = try Directory(path: folder.path)
        let writer = try directory.open("file", .readWrite)
        do {
            let reader = try directory.open("file", .read)
            try reader.shareLength()
            let wasCut = try writer.truncateUnlessShared(to: 1)
            let size = try reader.size()
            #expect(!wasCut && size == 3)
        }
        let wasCut = try writer.truncateUnlessShared(to: 1)
        #expect(wasCut)
        #expect(folder.read("file") == [1])
    }

    @Test("Names are all there is in a directory, sorted")
    func names() throws {
        for name in ["b", "a", "c"] { folder.write([], to: name) }
        #expect(try Directory(path: folder.path).names() == ["a", "b", "c"])
        #expect(throws: FileError.self) { _ = try Directory(path: folder.path("none")) }
    }

    @Test("A mapping shows the file's bytes and what is written to it later")
    func mapping() throws {
        folder.write([1, 2, 3], to: "file")
        let directory = try Directory(path: folder.path)
        let file = try directory.open("file", .readWrite)
        let mapping = try Mapping(file, count: 3, isWritable: false)
        unsafe #expect(Array(mapping.bytes) == [1, 2, 3])
        let bytes: [UInt8] = [9]
        unsafe try file.write(bytes.span.bytes, at: 1)
        unsafe #expect(Array(mapping.bytes) == [1, 9, 3])
        withExtendedLifetime(mapping) {}
    }
}
