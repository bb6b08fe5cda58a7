#if STAVE_FAULTS
    internal import Foundation
    internal import StaveDisk

    /// A directory as a power cut may leave it.
    package struct DiskImage: Hashable {
        /// Nil where the directory's own name was lost.
        package var files: [String: [UInt8]]?

        package init(files: [String: [UInt8]]?) { self.files = files }

        /// Makes `path` that directory.
        package func write(to path: String) throws {
            try? FileManager.default.removeItem(atPath: path)
            guard let files else { return }
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
            for (name, bytes) in files { try StoreFolder.write(bytes, path, name) }
        }
    }

    extension DiskRecorder {
        /// Which of the changes that are not certain reached the disk.
        private enum Choice: CaseIterable {
            case none, all, prefix, allButNewest, onlyNewest, tornNewest, some, pages, sizes
        }

        private typealias Loose = (file: RecordedFile, change: RecordedFile.Change)

        /// Disks that a power cut may leave now: each choice once, with names drawn anew.
        package func images(_ random: inout SeededRandom) -> [DiskImage] {
            let loose = looseChanges
            let choices: [Choice] = loose.isEmpty ? [.none] : Choice.allCases
            var images: [DiskImage] = []
            for choice in choices {
                let kept = Dictionary(grouping: kept(choice, of: loose, &random)) {
                    ObjectIdentifier($0.file)
                }
                let hasTail = random.chance(30)
                if !isDirectoryDurable, random.chance(20) { images.append(DiskImage(files: nil)) }
                let files = chosenNames(&random).mapValues { file in
                    file.rendered(
                        kept[ObjectIdentifier(file), default: []].map(\.change),
                        withStaleTail: hasTail)
                }
                images.append(DiskImage(files: files.filter { $0.key != FileName.lockName }))
            }
            return images
        }

        private func kept(
            _ choice: Choice, of loose: [Loose], _ random: inout SeededRandom
        ) -> [Loose] {
            switch choice {
            case .none: return []
            case .all: return loose
            case .prefix:
                return Array(loose.prefix(Int.random(in: 0...loose.count, using: &random)))
            case .allButNewest: return Array(loose.dropLast())
            case .onlyNewest: return Array(loose.suffix(1))
            case .tornNewest: return torn(loose, &random)
            case .some: return loose.filter { _ in random.chance(50) }
            case .sizes: return loose.filter(\.change.isResize)
            case .pages: return byPage(loose, &random)
            }
        }

        /// The newest sector written in part: words of 8 bytes are whole.
        private func torn(_ loose: [Loose], _ random: inout SeededRandom) -> [Loose] {
            guard var newest = loose.last, case .write(let offset, let bytes) = newest.change.kind
            else { return loose }
            let cut = Int.random(in: 0..<max(1, bytes.count / 8), using: &random) * 8
            // From the front or from the back.
            let isFront = random.chance(70)
            newest.change.kind =
                isFront
                ? .write(offset: offset, bytes: Array(bytes[..<cut]))
                : .write(offset: offset + cut, bytes: Array(bytes[cut...]))
            return loose.dropLast() + [newest]
        }

        /// Each page as it was at some moment of its own, as the kernel writes them.
        private func byPage(_ loose: [Loose], _ random: inout SeededRandom) -> [Loose] {
            struct Page: Hashable {
                var file: ObjectIdentifier
                var number: Int?
            }
            var last: [Page: Int] = [:]
            let newest = loose.last?.change.index ?? 0
            let oldest = loose.first?.change.index ?? 0
            return loose.filter { file, change in
                let page = Page(
                    file: ObjectIdentifier(file), number: change.offset.map { $0 / 4096 })
                if last[page] == nil {
                    last[page] = Int.random(in: (oldest - 1)...newest, using: &random)
                }
                return change.index <= last[page]!
            }
        }

        private func chosenNames(_ random: inout SeededRandom) -> [String: RecordedFile] {
            var result = durableNames
            let count = looseNames.count
            let length = [0, count, Int.random(in: 0...count, using: &random)]
                .randomElement(using: &random)!
            for (index, change) in looseNames.enumerated() {
                if names != .inAnyOrder, index >= length { break }
                for (name, file) in change where names != .inAnyOrder || random.chance(50) {
                    result[name] = file
                }
            }
            return result
        }
    }
#endif
