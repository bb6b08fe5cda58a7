import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// Directories that were prepared with bad intent.
@Suite("A hostile directory")
struct HostileTests {
    private let folder: TemporaryFolder
    private let path: String
    private let names = ["MANIFEST", "LOCK", "0000000001.segment", "0000000002.segment"]

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path("store")
        let store = try Store(path: path, options: .small())
        for number in 0..<30 {
            try store.set(String(repeating: "v", count: 300), forKey: "key \(number)")
        }
        try store.close()
    }

    /// Opening is refused with a message that names `name`; the other files are as they were.
    private func expectRefused(_ name: String, _ what: String) throws {
        let others = try itemsOfFiles(except: name)
        let error = storeError { try Store(path: path, options: .small()) }
        #expect(error?.description.contains("\(path)/\(name)") == true, "\(what): \(error as Any)")
        #expect(try itemsOfFiles(except: name) == others, "\(what) as \(name)")
    }

    private func itemsOfFiles(except name: String) throws -> [String: [UInt8]] {
        var items: [String: [UInt8]] = [:]
        for other in try StoreFolder.names(path) where other != name {
            items[other] = try StoreFolder.bytes(path, other)
        }
        return items
    }

    /// Puts something in a file's place, looks, and puts the file back.
    private func replacing(_ name: String, _ what: String, with make: (String) -> Int32) throws {
        let file = path + "/" + name
        try FileManager.default.moveItem(atPath: file, toPath: folder.path("aside"))
        #expect(make(file) == 0)
        try expectRefused(name, what)
        try FileManager.default.removeItem(atPath: file)
        try FileManager.default.moveItem(atPath: folder.path("aside"), toPath: file)
    }

    @Test("Links, FIFOs, sockets and directories in place of files are refused by name")
    func strangers() throws {
        for name in names {
            try replacing(name, "a link") { unsafe symlink(folder.path("aside"), $0) }
            try replacing(name, "a dangling link") { unsafe symlink("/nowhere/at/all", $0) }
            try replacing(name, "a FIFO") { unsafe mkfifo($0, 0o600) }
            try replacing(name, "a directory") { unsafe mkdir($0, 0o700) }
            if geteuid() == 0 {
                // The null device.
                try replacing(name, "a device") { unsafe mknod($0, S_IFCHR | 0o600, 0x103) }
            }
        }
        #expect(try Store(path: path).count == 30)
    }

    @Test("Files with set-id bits and files of other users are refused by name")
    func owners() throws {
        for name in names {
            let file = path + "/" + name
            for bit in [mode_t(S_ISUID), mode_t(S_ISGID)] {
                #expect(unsafe chmod(file, 0o600 | bit) == 0)
                try expectRefused(name, "mode \(String(bit, radix: 8))")
            }
            #expect(unsafe chmod(file, 0o600) == 0)
            // Only root can give a file away.
            guard geteuid() == 0 else { continue }
            #expect(unsafe chown(file, 4711, gid_t.max) == 0)
            try expectRefused(name, "owner")
            #expect(unsafe chown(file, 0, gid_t.max) == 0)
        }
        #expect(try Store(path: path).count == 30)
    }

    @Test("Files that claim to be gigabytes are refused, or left unread, at once")
    func sizes() throws {
        let begin = ContinuousClock.now
        for name in ["MANIFEST", "0000000001.segment", "0000000003.segment"] {
            let bytes = try StoreFolder.bytes(path, name)
            #expect(unsafe truncate(path + "/" + name, 1 << 40) == 0)
            let error = storeError { try Store(path: path, options: .small()) }
            #expect(error?.description.contains("\(path)/\(name)") == true, "\(error as Any)")
            #expect(unsafe truncate(path + "/" + name, off_t(bytes.count)) == 0)
        }
        // A hint or checkpoint is only an optimisation, and LOCK's contents decide nothing.
        for name in ["0000000001.hint", "keydir.checkpoint", "LOCK"] {
            if FileManager.default.fileExists(atPath: path + "/" + name) == false {
                try StoreFolder.write([1, 2, 3], path, name)
            }
            #expect(unsafe truncate(path + "/" + name, 1 << 40) == 0)
            let store = try Store(path: path, options: .small())
            #expect(try store.dictionary().count == 30)
            try store.close()
        }
        #expect(ContinuousClock.now - begin < .seconds(120))
    }

    @Test("A segment whose header claims the largest capacity costs no memory and no disk")
    func capacity() throws {
        let name = try #require(try StoreFolder.segments(path).last)
        var bytes = try StoreFolder.bytes(path, name)
        let old = unsafe try SegmentHeader(decoding: bytes.span.bytes)
        for capacity in [UInt64.max, 1 << 40, UInt64(Format.maxFileLength), 0] {
            let header = SegmentHeader(
                identity: old.identity, number: old.number, storeID: old.storeID,
                capacity: capacity)
            bytes.replaceSubrange(0..<64, with: header.encoded()[0..<64])
            try StoreFolder.write(bytes, path, name)
            let store = try Store(path: path, options: .small())
            #expect(try store.dictionary().count >= 30)
            try store.set("more", forKey: "more")
            try store.close()
            #expect(try StoreFolder.names(path).allSatisfy { try size($0) < 1 << 20 })
            bytes = try StoreFolder.bytes(path, name)
        }
    }

    private func size(_ name: String) throws -> Int { try StoreFolder.bytes(path, name).count }

    @Test("Whatever the umask, the directory is made 0700 and files 0600")
    func modes() throws {
        let store = folder.path("new")
        for mask in ["000", "077", "022"] {
            try? FileManager.default.removeItem(atPath: store)
            let tool = builtProduct("stave")
            let child = try PipedChild([
                "/bin/sh", "-c",
                "umask \(mask); exec '\(tool)' --create --segment-size 4K '\(store)'",
            ])
            for number in 0..<100 {
                child.send("set key\(number) \(String(repeating: "v", count: 99))\n")
            }
            child.send("compact\n")
            #expect(child.finish() == 0)
            let attributes = try FileManager.default.attributesOfItem(atPath: store)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o700)
            let items = try StoreFolder.items(store)
            #expect(items.count > 4)
            #expect(items.values.allSatisfy { $0.mode == 0o600 })
        }
    }

    #if STAVE_FAULTS
        /// Does something to the directory just before, or just after, the first call of a kind on
        /// a file of this name.
        private final class Swap: DiskWatcher, @unchecked Sendable {
            // @unchecked: used by one thread.
            let name: String
            let call: SystemCall
            let isBefore: Bool
            let swap: () -> Void
            var isDone = false

            init(
                _ name: String, _ call: SystemCall = .open, isBefore: Bool,
                _ swap: @escaping () -> Void
            ) {
                (self.name, self.call, self.isBefore) = (name, call, isBefore)
                self.swap = swap
            }

            func willTransfer(_ range: Range<Int>, _ call: SystemCall, _ path: String) -> Int {
                range.count
            }

            func willCall(_ call: SystemCall, _ path: String) -> Int32? {
                act(call, path, isBefore: true)
                return nil
            }

            func didCall(_ call: SystemCall, _ path: String, hasFailed: Bool) {
                act(call, path, isBefore: false)
            }

            private func act(_ call: SystemCall, _ path: String, isBefore: Bool) {
                guard call == self.call, isBefore == self.isBefore, path.hasSuffix("/" + name),
                    !isDone
                else { return }
                isDone = true
                swap()
            }
        }

        @Test("A file swapped between check and use is refused, or used as it was when opened")
        func swapped() throws {
            for name in names {
                for isBefore in [true, false] {
                    let file = path + "/" + name
                    let aside = folder.path("aside")
                    let swap = Swap(name, isBefore: isBefore) {
                        unsafe rename(file, aside)
                        // To the very file, so that only the link can be wrong with it.
                        unsafe symlink(aside, file)
                    }
                    DiskWatch.add(swap, at: path)
                    let error = storeError {
                        let count = try Store(path: path, options: .reading).dictionary().count
                        #expect(count == 30)
                    }
                    DiskWatch.remove(swap)
                    #expect(swap.isDone || name == "LOCK")
                    if swap.isDone, isBefore {
                        #expect(error?.description.contains(file) == true, "\(error as Any)")
                    }
                    if swap.isDone {
                        unsafe unlink(file)
                        unsafe rename(aside, file)
                    }
                }
            }
            #expect(try Store(path: path).count == 30)
        }

        @Test("A hint file that is changed while it is written is not trusted")
        func changedHint() throws {
            let store = try Store(path: path, options: .small())
            try store.set("new", forKey: "new")
            let segment = try #require(store.log.writer.appender?.segment)
            let hint = FileName.hint(segment.number).name
            // All of it is written when it is synced, and it is used from then on.
            let swap = Swap(hint + ".tmp", .sync, isBefore: true) { [path] in
                guard var bytes = try? StoreFolder.bytes(path, hint + ".tmp") else { return }
                for index in stride(from: 64, to: bytes.count, by: 5) { bytes[index] ^= 0x55 }
                try? StoreFolder.write(bytes, path, hint + ".tmp")
            }
            DiskWatch.add(swap, at: path)
            defer { DiskWatch.remove(swap) }
            try store.sealActive()
            #expect(swap.isDone)
            #expect(try store.dictionary().count == 31)
            _ = try store.compact()
            #expect(try store.dictionary().count == 31)
        }
    #endif
}
