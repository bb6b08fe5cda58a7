import StaveDisk
import TestSupport
import Testing

@Suite("Scanning a segment")
struct SegmentScanTests {
    private func step(_ maker: SegmentMaker, _ bytes: [UInt8], at offset: Int) -> ScanStep {
        unsafe SegmentScan.step(in: bytes.span.bytes, at: offset, identity: maker.header.identity)
    }

    /// Offsets of all records found.
    private func records(_ maker: SegmentMaker, _ bytes: [UInt8]) -> [Int] {
        var offset = 80
        var found: [Int] = []
        while true {
            switch step(maker, bytes, at: offset) {
            case .record(let header):
                found.append(offset)
                offset += header.recordLength
            case .unreadable(let until, _):
                #expect(until > offset)
                offset = until
            case .zeros, .end: return found
            }
        }
    }

    private func maker() -> SegmentMaker {
        var maker = SegmentMaker()
        maker.set("one", "first value")
        maker.set("two", "")
        maker.delete("one")
        maker.set("three", String(repeating: "x", count: 50))
        return maker
    }

    @Test("All records of a whole segment are found, then its end")
    func whole() {
        let maker = maker()
        #expect(records(maker, maker.bytes) == maker.records.map(\.offset))
        #expect(step(maker, maker.bytes, at: maker.bytes.count) == .end)
        #expect(step(maker, maker.bytes, at: maker.bytes.count + 8) == .end)
    }

    @Test("Reserved space of any length behind the records is zeros")
    func reserved() {
        let maker = maker()
        for count in 1..<100 {
            let bytes = maker.bytes + [UInt8](repeating: 0, count: count)
            #expect(step(maker, bytes, at: maker.bytes.count) == .zeros)
            #expect(records(maker, bytes) == maker.records.map(\.offset))
        }
    }

    @Test("A flipped bit of a header or key costs that record and no other")
    func flips() {
        let maker = maker()
        for (index, record) in maker.records.enumerated() {
            var wanted = maker.records.map(\.offset)
            wanted.remove(at: index)
            for byte in 0..<(28 + record.header.keyLength) where !(4..<8).contains(byte) {
                for bit in 0..<8 {
                    var bytes = maker.bytes
                    bytes[record.offset + byte] ^= UInt8(1 << bit)
                    #expect(records(maker, bytes) == wanted, "record \(index), byte \(byte)")
                }
            }
        }
    }

    @Test("A hole of zeros is unreadable up to the next whole record")
    func hole() {
        let maker = maker()
        var bytes = maker.bytes
        let (start, end) = (maker.records[1].offset, maker.records[3].offset)
        for offset in start..<end { bytes[offset] = 0 }
        #expect(step(maker, bytes, at: start) == .unreadable(until: end, isLast: false))
        #expect(records(maker, bytes) == [maker.records[0].offset, end])
    }

    @Test("A segment cut at any byte keeps the records that are whole")
    func cuts() {
        let maker = maker()
        for length in 80..<maker.bytes.count {
            let bytes = Array(maker.bytes[..<length])
            let whole = maker.records.filter { $0.offset + $0.header.recordLength <= length }
            #expect(records(maker, bytes) == whole.map(\.offset), "cut to \(length)")
        }
    }

    @Test("Records of another segment are not found")
    func stale() {
        let maker = maker()
        let bytes = SegmentMaker(identity: 99).bytes + maker.bytes.dropFirst(80)
        let scan = unsafe SegmentScan.step(in: bytes.span.bytes, at: 80, identity: 99)
        #expect(scan == .unreadable(until: bytes.count, isLast: true))
    }

    @Test("Random bytes never trap, and scanning ends")
    func garbage() {
        var random = SeededRandom.forTest()
        let maker = SegmentMaker()
        for _ in 0..<200 {
            let count = Int.random(in: 0...3000, using: &random)
            let noise = (0..<count).map { _ in UInt8.random(in: 0...3, using: &random) }
            #expect(records(maker, maker.bytes + noise).isEmpty)
        }
    }

    @Test("The search behind damage has a bound; records with short keys are found beyond it")
    func boundedSearch() {
        for keyLength in [5, SearchEffort.shortKey, SearchEffort.shortKey + 1, 60_000] {
            var maker = SegmentMaker()
            maker.set("lost", "")
            let offset = maker.append(.value, [UInt8](repeating: 7, count: keyLength), [1, 2])
            var bytes = maker.bytes
            bytes[90] ^= 1
            var (unbounded, bounded) = (SearchEffort(), SearchEffort(bytes: 0))
            func step(_ effort: inout SearchEffort) -> ScanStep {
                unsafe SegmentScan.step(
                    in: bytes.span.bytes, at: 80, identity: maker.header.identity, effort: &effort)
            }
            #expect(step(&unbounded) == .unreadable(until: offset, isLast: false))
            let isFound = keyLength <= SearchEffort.shortKey
            let end = isFound ? offset : bytes.count
            #expect(step(&bounded) == .unreadable(until: end, isLast: !isFound))
        }
    }
}
