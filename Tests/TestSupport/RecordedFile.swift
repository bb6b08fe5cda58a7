#if STAVE_FAULTS
    internal import Glibc

    /// One file as the disk may have it after a power cut: what is certain, and what may or may not
    /// have reached it since.
    package final class RecordedFile {
        /// The unit that a disk writes whole.
        package static let sector = 512
        private static let page = 4096

        package struct Change {
            package enum Kind {
                case write(offset: Int, bytes: [UInt8])
                case resize(Int)
            }

            /// In the order of all changes to all files.
            package var index: Int
            package var kind: Kind
            /// A sync after it failed: the kernel takes its page for clean, and a later sync does
            /// not write it.
            package var isDropped = false
        }

        private let descriptor: Int32
        /// As a process sees it.
        package private(set) var current: [UInt8] = []
        package private(set) var durable: [UInt8] = []
        package private(set) var loose: [Change] = []
        /// What a cut that only a data sync followed may bring back behind the end.
        package private(set) var staleTail: [UInt8] = []

        /// Takes the descriptor over.
        init(descriptor: Int32) { self.descriptor = descriptor }

        deinit { close(descriptor) }

        /// Finds out what has changed since the last call, by mapped stores too.
        func capture(_ nextIndex: () -> Int) {
            let now = contents()
            if now.count != current.count {
                loose.append(Change(index: nextIndex(), kind: .resize(now.count)))
                staleTail = []
            }
            var old = current
            if old.count > now.count { old.removeLast(old.count - now.count) }
            old += [UInt8](repeating: 0, count: now.count - old.count)
            if !Self.isSame(old, now, 0..<now.count) {
                for start in stride(from: 0, to: now.count, by: Self.sector) {
                    let range = start..<min(start + Self.sector, now.count)
                    if Self.isSame(old, now, range) { continue }
                    let kind = Change.Kind.write(offset: start, bytes: Array(now[range]))
                    loose.append(Change(index: nextIndex(), kind: kind))
                    touch(range)
                }
            }
            current = now
        }

        /// The pages of `range` are dirty: the next sync writes all of them.
        func touch(_ range: Range<Int>) {
            let pages = range.lowerBound / Self.page...(max(range.upperBound, 1) - 1) / Self.page
            for position in loose.indices where loose[position].isDropped {
                guard case .write(let offset, _) = loose[position].kind else { continue }
                if pages.contains(offset / Self.page) { loose[position].isDropped = false }
            }
        }

        /// - Parameter isDataOnly: fdatasync(2): a cut may still be taken back.
        func synced(isDataOnly: Bool) {
            let certain = loose.filter { !$0.isDropped }
            if isDataOnly, certain.contains(where: \.isResize) {
                var longest = durable
                for change in certain {
                    if case .resize(let size) = change.kind, size < longest.count { continue }
                    Self.apply(change.kind, to: &longest)
                }
                staleTail = Array(longest.dropFirst(current.count))
            } else if !isDataOnly {
                staleTail = []
            }
            for change in certain { Self.apply(change.kind, to: &durable) }
            // What an older, dropped change did to a sector that is certain now is of no matter.
            let sectors = Set(certain.compactMap(\.offset))
            loose.removeAll { change in
                !change.isDropped
                    || change.offset.map(sectors.contains) ?? certain.contains(where: \.isResize)
            }
        }

        func syncFailed() {
            // A size is part of the journal: one that fails to be written stops the file system.
            for position in loose.indices where !loose[position].isResize {
                loose[position].isDropped = true
            }
        }

        /// What is on the disk if of the changes just those in `kept` reached it.
        package func rendered(_ kept: [Change], withStaleTail: Bool) -> [UInt8] {
            var bytes = durable
            for change in kept { Self.apply(change.kind, to: &bytes) }
            if withStaleTail, loose.isEmpty { bytes += staleTail }
            return bytes
        }

        private static func apply(_ kind: Change.Kind, to bytes: inout [UInt8]) {
            switch kind {
            case .resize(let size):
                if size < bytes.count { bytes.removeLast(bytes.count - size) }
                bytes += [UInt8](repeating: 0, count: size - bytes.count)
            case .write(let offset, let new):
                let end = offset + new.count
                if end > bytes.count { bytes += [UInt8](repeating: 0, count: end - bytes.count) }
                bytes.replaceSubrange(offset..<end, with: new)
            }
        }

        private func contents() -> [UInt8] {
            var status = stat()
            // SAFETY: fstat fills the struct in, and pread stays inside the array.
            unsafe _ = fstat(descriptor, &status)
            var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
            let count = unsafe bytes.withUnsafeMutableBytes {
                unsafe pread(descriptor, $0.baseAddress, $0.count, 0)
            }
            precondition(count == bytes.count, "a recorded file cannot be read")
            return bytes
        }

        private static func isSame(_ one: [UInt8], _ other: [UInt8], _ range: Range<Int>) -> Bool {
            if range.isEmpty { return true }
            // SAFETY: the range lies inside both.
            return unsafe one.withUnsafeBytes { one in
                unsafe other.withUnsafeBytes { other in
                    unsafe memcmp(
                        one.baseAddress! + range.lowerBound, other.baseAddress! + range.lowerBound,
                        range.count) == 0
                }
            }
        }
    }

    extension RecordedFile.Change {
        package var isResize: Bool {
            if case .resize = kind { return true }
            return false
        }

        package var offset: Int? {
            if case .write(let offset, _) = kind { return offset }
            return nil
        }
    }
#endif
