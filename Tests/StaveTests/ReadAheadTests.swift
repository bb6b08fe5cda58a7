import Synchronization
import Testing

@testable import Stave

@Suite("A source that is read ahead")
struct ReadAheadTests {
    /// Counts up; tells how far.
    private struct Numbers: IteratorProtocol {
        let end: Int
        let taken: Counter
        var number = 0

        mutating func next() -> Int? {
            if number == end { return nil }
            number += 1
            taken.count.wrappingAdd(1, ordering: .relaxed)
            return number
        }
    }

    private final class Counter: Sendable {
        let count = Atomic<Int>(0)
    }

    @Test("gives each element once and in order", arguments: [true, false], [0, 1, 2, 3, 1000])
    func order(hasThread: Bool, count: Int) {
        var got: [Int] = []
        let source = Numbers(end: count, taken: Counter())
        let done = ReadAhead.reading(source, hasThread: hasThread, for: "") {
            while let number = $0.next() { got.append(number) }
            #expect($0.next() == nil)
        }
        #expect(got == Array(0..<count).map { $0 + 1 })
        #expect(done.number == count)
    }

    private struct Enough: Error {}

    @Test("can be left before its end, and takes only a few elements more")
    func stop() {
        for taken in 0..<20 {
            let counter = Counter()
            #expect(throws: Enough.self) {
                try ReadAhead.reading(Numbers(end: .max, taken: counter), hasThread: true, for: "")
                {
                    (ahead) throws(Enough) in
                    for _ in 0..<taken { _ = ahead.next() }
                    throw Enough()
                }
            }
            // Two that wait, and one that was on its way.
            #expect(counter.count.load(ordering: .relaxed) <= taken + 3)
        }
    }
}
