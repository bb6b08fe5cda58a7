#if STAVE_FAULTS
    import StaveDisk
    import TestSupport
    import Testing

    @Suite("Writing a hint file")
    struct HintFileWriterTests {
        private let folder: TemporaryFolder
        private let maker: SegmentMaker
        private let name = "0000000001.hint"
        private let old: [UInt8] = [1, 2, 3]

        init() throws {
            folder = try TemporaryFolder(isInMemory: true)
            var maker = SegmentMaker()
            // More than the buffer holds, twice.
            for number in 0..<700 {
                let key = "\(number * 7919 % 700) " + String(repeating: "k", count: 1000)
                maker.set(key, "value")
            }
            self.maker = maker
        }

        private func write(_ fault: Fault?) throws -> (FaultPlan, [UInt8]) {
            folder.write(old, to: name)
            // What a crash left of an earlier try.
            folder.write([9], to: name + ".tmp")
            let plan = FaultPlan(fault)
            return (plan, try write(beside: plan))
        }

        private func write(beside watcher: any DiskWatcher) throws -> [UInt8] {
            let directory = try Directory(path: folder.path)
            let length = maker.bytes.count
            DiskWatch.add(watcher, at: folder.path)
            defer { DiskWatch.remove(watcher) }
            let image = try unsafe maker.bytes.withUnsafeBytes { segment in
                unsafe try RecordList(maker.records).writeHint(
                    ofSegment: 1, segment, identity: maker.header.identity,
                    segmentLength: length, in: directory)
            }
            // SAFETY: the image keeps its bytes while it lives.
            return withExtendedLifetime(image) { unsafe Array(image.bytes) }
        }

        @Test("Goes through a buffer that is smaller, and comes back as it is in the file")
        func blocks() throws {
            let (plan, image) = try write(nil)
            #expect(plan.counts[.write]! >= 6, "three blocks, index, header, checksum")
            let (isSame, isWritten) = (image == maker.hint, folder.read(name) == maker.hint)
            #expect(isSame && isWritten)
            #expect(try Directory(path: folder.path).names() == [name])
        }

        /// Changes the length of a key between the writing of the entries and that of their index.
        private final class Meddler: DiskWatcher {
            let folder: TemporaryFolder
            let name: String

            init(_ folder: TemporaryFolder, _ name: String) {
                (self.folder, self.name) = (folder, name)
            }

            func willCall(_ call: SystemCall, _ path: String) -> Int32? {
                guard call == .map else { return nil }
                let length: [UInt8] = [255, 255]
                let file = try? Directory(path: folder.path).open(name + ".tmp", .readWrite)
                unsafe try? file?.write(length.span.bytes, at: HintImage.headerLength + 16)
                return nil
            }

            func willTransfer(_ range: Range<Int>, _ call: SystemCall, _ path: String) -> Int {
                range.count
            }

            func didCall(_ call: SystemCall, _ path: String, hasFailed: Bool) {}
        }

        @Test("A file that does not hold what was written to it is not used")
        func changed() throws {
            folder.write(old, to: name)
            #expect(throws: FileError.self) { try write(beside: Meddler(folder, name)) }
            #expect(folder.read(name) == old)
            #expect(try Directory(path: folder.path).names() == [name])
        }

        @Test("A call that fails leaves the old hint file in place and nothing else")
        func failures() throws {
            let counts = try write(nil).0.counts
            for call in SystemCall.allCases {
                for number in stride(from: 1, through: counts[call, default: 0], by: 1) {
                    for fault in call.faults(number: number) where !fault.isLasting {
                        try check(fault)
                    }
                }
            }
        }

        private func check(_ fault: Fault) throws {
            do {
                _ = try write(fault)
                // A file that cannot be looked at may as well not be there.
                #expect(fault.isHarmless || fault.call == .examine, "\(fault)")
                let isWritten = folder.read(name) == maker.hint
                #expect(isWritten, "\(fault)")
            } catch {
                #expect(error is FileError && !fault.isHarmless, "\(fault)")
                let isOld = folder.read(name) == old
                #expect(isOld, "\(fault)")
            }
            let isLeft = folder.read(name + ".tmp") != []
            #expect(!isLeft || fault.call == .remove, "\(fault)")
        }
    }
#endif
