#if STAVE_FAULTS
    internal import CLinux
    internal import Foundation
    internal import Glibc
    package import StaveDisk

    /// Records what a store on one thread does to its directory, and what of it is certain to
    /// survive a power cut. It looks at the files themselves before and after each call that
    /// changes or syncs anything, so it sees mapped stores too.
    ///
    /// Rules (T. Pillai et al., All File Systems Are Not Created Equal, OSDI 2014):
    ///
    /// 1. A change to a file is certain once a later sync of that file has returned; of the others
    ///    any subset may have reached the disk, each sector whole, sizes apart from contents.
    /// 2. After a sync that failed, what was to be written may never be, whatever later syncs say,
    ///    until its page is written again.
    /// 3. Which names are certain, `Names` says. A sync of the directory that fails makes none
    ///    certain.
    package final class DiskRecorder: DiskWatcher, @unchecked Sendable {
        // @unchecked: used by one thread.

        package enum Names: String, Sendable, CaseIterable {
            /// Certain after a sync of the directory; until then they come in the order they were
            /// made.
            case inOrder
            /// The same, but each may come without the ones before it.
            case inAnyOrder
            /// Any sync makes all earlier names certain, as ext4's journal does.
            case withAnySync
        }

        /// Names that change together: both of a rename.
        package typealias NameChange = [(name: String, file: RecordedFile?)]

        let path: String
        let names: Names
        /// A disk that does not do what this sync asks of it, and says that it did.
        private let isIgnored: (SystemCall, String) -> Bool
        private var files: [UInt64: RecordedFile] = [:]
        private var currentNames: [String: RecordedFile] = [:]
        private(set) var durableNames: [String: RecordedFile] = [:]
        private(set) var looseNames: [NameChange] = []
        private(set) var isDirectoryDurable = false
        private var changeCount = 0
        private var isBusy = false
        /// No calls are made any more: those that come are those of a process that is gone.
        package var isStopped = false
        /// Called where a crash is worth looking at, with the call before or after which it comes.
        package var onEvent: ((String) -> Void)?

        /// - Parameter path: of the store; what is there now is certain.
        package init(
            path: String, names: Names,
            ignoring isIgnored: @escaping (SystemCall, String) -> Bool = { _, _ in false }
        ) {
            self.path = path
            self.names = names
            self.isIgnored = isIgnored
            unsafe isDirectoryDurable = access(path, F_OK) == 0
            capture()
            for file in currentNames.values { file.synced(isDataOnly: false) }
            durableNames = currentNames
            looseNames = []
        }

        package func run<Result>(_ body: () throws -> Result) rethrows -> Result {
            // The directory's own name is made durable in its parent.
            let parent = path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
            DiskWatch.add(self, at: parent)
            defer { DiskWatch.remove(self) }
            return try body()
        }

        /// Looks at what mapped stores have changed.
        package func note(_ event: String) {
            capture()
            onEvent?(event)
        }

        /// All changes that may or may not have reached the disk, oldest first.
        var looseChanges: [(file: RecordedFile, change: RecordedFile.Change)] {
            files.values.flatMap { file in file.loose.map { (file, $0) } }
                .sorted { $0.change.index < $1.change.index }
        }

        // MARK: Calls

        package func willTransfer(_ range: Range<Int>, _ call: SystemCall, _ path: String) -> Int {
            if call == .write { file(at: path)?.touch(range) }
            return range.count
        }

        package func willCall(_ call: SystemCall, _ path: String) -> Int32? {
            if isBusy || isStopped || !isOurs(path) { return nil }
            switch call {
            case .sync, .syncData, .syncDirectory, .truncate, .write, .reserve, .rename, .remove:
                capture()
                report("before", call, path)
            default: break
            }
            return nil
        }

        package func didCall(_ call: SystemCall, _ path: String, hasFailed: Bool) {
            if isBusy || isStopped || !isOurs(path) { return }
            switch call {
            case .examine, .list, .read, .map, .lock: return
            case .allocate, .advise, .fence, .startThread, .setAccess: return
            case .sync, .syncData, .syncDirectory:
                capture()
                if !isIgnored(call, path) { noteSync(call, path, hasFailed: hasFailed) }
            default: capture()
            }
            report("after", call, path)
        }

        private func report(_ when: String, _ call: SystemCall, _ path: String) {
            isBusy = true
            defer { isBusy = false }
            onEvent?("\(when) \(call) of \(path.split(separator: "/").last ?? "")")
        }

        private func noteSync(_ call: SystemCall, _ path: String, hasFailed: Bool) {
            if call != .syncDirectory {
                guard let file = file(at: path) else { return }
                hasFailed ? file.syncFailed() : file.synced(isDataOnly: call == .syncData)
                if names == .withAnySync, !hasFailed {
                    syncNames()
                    isDirectoryDurable = true
                }
            } else if hasFailed {
                return
            } else if path == self.path {
                syncNames()
            } else {
                isDirectoryDurable = true
            }
        }

        private func syncNames() {
            for (name, file) in looseNames.joined() { durableNames[name] = file }
            looseNames = []
        }

        private func isOurs(_ path: String) -> Bool {
            path == self.path || path.hasPrefix(self.path + "/") || self.path.hasPrefix(path + "/")
        }

        private func file(at path: String) -> RecordedFile? {
            guard path.hasPrefix(self.path + "/") else { return nil }
            return currentNames[String(path.dropFirst(self.path.count + 1))]
        }

        // MARK: Looking

        private func capture() {
            let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            var now: [String: RecordedFile] = [:]
            for name in entries { now[name] = found(name) }
            var changed: [(name: String, file: RecordedFile?)] = []
            for (name, file) in now where currentNames[name] !== file {
                changed.append((name, file))
            }
            for name in currentNames.keys where now[name] == nil { changed.append((name, nil)) }
            if !changed.isEmpty { looseNames.append(changed) }
            currentNames = now
            for file in now.values {
                file.capture {
                    changeCount += 1
                    return changeCount
                }
            }
        }

        /// The file under a name. Its descriptor stays open, so that its inode number stays its
        /// own.
        private func found(_ name: String) -> RecordedFile? {
            let descriptor = unsafe stave_open(path + "/" + name, O_RDONLY | O_CLOEXEC, 0)
            guard descriptor >= 0 else { return nil }
            var status = stat()
            // SAFETY: fstat fills the struct in.
            unsafe _ = fstat(descriptor, &status)
            if let known = files[UInt64(status.st_ino)] {
                close(descriptor)
                return known
            }
            let file = RecordedFile(descriptor: descriptor)
            files[UInt64(status.st_ino)] = file
            return file
        }
    }
#endif
