import Glibc
import StaveDisk
import TestSupport
import Testing

@testable import Stave

struct ResidencyTests {
    @Test("warm brings the live segments into memory, and the statistics say so")
    func warm() throws {
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        options.createsIfMissing = true
        options.segmentSize = 1 << 20
        let store = try Store(path: folder.path("store"), options: options)
        let value = [UInt8](repeating: 7, count: 100_000)
        for number in 0..<30 { try store.set(value, forKey: Array("k\(number)".utf8)) }
        var fractions: [Double] = []
        let (bytes, resident) = try store.warm {
            fractions.append($0)
            return true
        }
        #expect(bytes >= 3_000_000)
        #expect(resident >= bytes)
        #expect(fractions.count >= 3 && fractions == fractions.sorted())
        let statistics = try store.statistics()
        #expect(statistics.residentBytes == statistics.segments.reduce(0) { $0 + $1.bytes })
        // Stopped before the first step it loads nothing and says what there is.
        #expect(try store.warm { _ in false }.bytes == bytes)
        try store.close()
    }

    @Test("A compaction that is due but has no segment worth it waits for one to fill")
    func awaitsSegment() throws {
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        options.createsIfMissing = true
        options.compaction.minDeadBytes = 1000
        options.compaction.startAmplification = 1.1
        let store = try Store(path: folder.path("store"), options: options)
        let value = [UInt8](repeating: 7, count: 1000)
        for number in 0..<20 { try store.set(value, forKey: Array("k\(number)".utf8)) }
        #expect(try !store.statistics().compactionAwaitsSegment)
        for number in 0..<5 { try store.set(value, forKey: Array("k\(number)".utf8)) }
        var statistics = try store.statistics()
        #expect(statistics.deadBytesToCompaction == 0)
        #expect(statistics.compactionAwaitsSegment)
        // Once it is mostly dead, the segment is ended early.
        for _ in 0..<20 { try store.set(value, forKey: Array("k1".utf8)) }
        statistics = try store.statistics()
        #expect(!statistics.compactionAwaitsSegment)
        try store.close()
    }

    @Test("The background makes pages ready ahead of the writer, no more than the file has")
    func populatesAhead() throws {
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        options.createsIfMissing = true
        let store = try Store(path: folder.path("store"), options: options)
        store.populator.stop()
        let value = [UInt8](repeating: 7, count: 100_000)
        for number in 0..<60 { try store.set(value, forKey: Array("k\(number)".utf8)) }
        let appender = try #require(store.log.writer.appender)
        let pages = try #require(appender.pagesAhead())
        #expect(pages.lowerBound >= appender.segment.end)
        let furthest = appender.segment.end + Appender.populateAhead
        #expect(pages.upperBound <= min(appender.output.size, furthest))
        func residentAhead() -> Int {
            appender.segment.mapping.residentBytes(upTo: pages.upperBound)
                - appender.segment.mapping.residentBytes(upTo: pages.lowerBound)
        }
        appender.populate(pages)
        #expect(appender.pagesAhead() == nil)
        #expect(residentAhead() >= pages.count / 4096 * 4096)
        // What is written there next is what is read.
        for number in 60..<120 { try store.set(value, forKey: Array("k\(number)".utf8)) }
        #expect(try store.value(forKey: "k61") == value && store.count == 120)
        // Cut meanwhile: nothing happens.
        try store.close()
        appender.populate(appender.segment.end..<(appender.segment.end + (1 << 20)))
        let again = try Store(path: folder.path("store"), options: options)
        #expect(again.notices == [] && again.count == 120)
        try again.close()
    }

    /// If it could, the file would have to be synced in the middle of a set, with all that was
    /// written.
    @Test("At interval, much that is written is synced before its second is over")
    func syncsEarly() throws {
        let folder = try TemporaryFolder()
        let value = [UInt8](repeating: 7, count: 1 << 20)
        for durability in [Durability.interval, .os] {
            let path = folder.path("\(durability)")
            let store = try Store(path: path, options: .small(64 << 20, durability: durability))
            for number in 0..<40 { try store.set(value, forKey: Array("k\(number)".utf8)) }
            let isAsked = store.log.writer.syncedBytes >= 16 << 20
            #expect(isAsked == (durability == .interval))
            try store.close()
        }
    }
}
