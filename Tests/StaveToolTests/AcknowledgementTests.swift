import Glibc
import TestSupport
import Testing

@testable import Stave
@testable import StaveTool

/// A reply is a promise.
struct AcknowledgementTests {
    private let scratch = Scratch()

    @Test("At always, a script's replies are written only once its writes are durable")
    func repliesAfterSync() throws {
        var options = StoreOptions()
        options.createsIfMissing = true
        options.durability = .always
        let store = try Store(path: scratch.store, options: options)
        let session = Session(store, place: .script, settings: SessionSettings())
        for round in 1...3 as ClosedRange<UInt64> {
            try execute("set key \(round)", session)
            try execute("set other \(round)", session)
            // The sync is left to the moment of the reply.
            #expect(try store.statistics().durableSequence == 2 * round - 1)
            session.flush()
            #expect(try store.statistics().durableSequence == 2 * round + 1)
        }
        try store.close()
    }

    private func execute(_ line: String, _ session: Session) throws {
        let parser = WordParser()
        let bytes = Array(line.utf8)
        try unsafe bytes.withUnsafeBytes { bytes in
            // SAFETY: the words are used before the array goes.
            unsafe _ = try parser.parse(bytes)
            try session.execute(parser.words)
        }
    }
}
