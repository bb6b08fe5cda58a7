import StaveDisk
import Testing

@Suite("The head of a keydir checkpoint")
struct KeydirCheckpointTests {
    private let sample = KeydirCheckpoint(
        storeID: StoreID(low: 1, high: 2), nextSequence: 4712,
        segments: [
            .init(
                number: 1, identity: 0xab, end: 4096, liveBytes: 100, tombstoneBytes: 40,
                sequences: 1...40, slot: 0),
            .init(
                number: 9, identity: .max, end: 80, liveBytes: 0, tombstoneBytes: 0,
                sequences: nil, slot: 3),
        ],
        shards: [
            .init(buckets: 1, usedSlots: 3, liveSlots: 2, checksum: 77),
            .init(buckets: 2, usedSlots: 16, liveSlots: 16, checksum: .max),
        ])

    private func error(_ bytes: [UInt8], fileLength: Int) -> FormatError? {
        do throws(FormatError) {
            _ = unsafe try KeydirCheckpoint(decoding: bytes.span.bytes, fileLength: fileLength)
            return nil
        } catch {
            return error
        }
    }

    @Test("decodes to what was encoded")
    func roundTrip() throws {
        let bytes = sample.encoded()
        #expect(bytes.count == sample.tablesOffset && bytes.count % 64 == 0)
        #expect(sample.fileLength == bytes.count + 3 * 64)
        #expect(sample.count == 18)
        let head = unsafe KeydirCheckpoint.headLength(in: bytes.span.bytes)
        #expect(head == bytes.count)
        let again = unsafe try KeydirCheckpoint(
            decoding: bytes.span.bytes, fileLength: sample.fileLength)
        #expect(again == sample)
    }

    @Test("is refused with any bit flipped, cut anywhere, and for a file of another length")
    func damage() {
        let bytes = sample.encoded()
        for offset in bytes.indices {
            for bit: UInt8 in 0..<8 {
                var changed = bytes
                changed[offset] ^= 1 << bit
                #expect(error(changed, fileLength: sample.fileLength) != nil)
            }
        }
        for length in bytes.indices {
            #expect(error(Array(bytes.prefix(length)), fileLength: sample.fileLength) != nil)
        }
        #expect(error(bytes, fileLength: sample.fileLength - 1)?.offset == 40)
        #expect(error(bytes, fileLength: sample.fileLength)?.offset == nil)
    }

    @Test("with a right checksum and impossible fields is refused, and says where")
    func impossible() {
        func offset(_ change: (inout KeydirCheckpoint) -> Void) -> Int? {
            var changed = sample
            change(&changed)
            return error(changed.encoded(), fileLength: changed.fileLength)?.offset
        }
        #expect(offset { $0.segments[1].slot = 0 } == 64)
        #expect(offset { $0.segments[1].slot = 1 << 15 } == 128)
        #expect(offset { $0.segments[0].liveBytes = 4097 } == 64)
        #expect(offset { $0.segments[0].end = 1 << 40 } == 64)
        #expect(offset { $0.shards[0].liveSlots = 4 } == 192)
        #expect(offset { $0.shards[1].usedSlots = 17 } == 216)
        #expect(offset { $0.shards[1].buckets = 0 } == 216)
        #expect(offset { $0.shards[1].buckets = 1 << 22 } == 216)
    }
}
