internal import Stave

/// Gets that wait in memory, to be looked up together.
@safe struct GetBatch {
    private static let limit = 256

    @safe private struct Place {
        let line: UnsafeRawBufferPointer
        let number: Int
        let offset: Int
        /// Which command of the batch, counted from 0.
        let command: Int
    }

    /// How many commands did all that they were to do, and how many met an error.
    struct Result {
        var succeeded = 0
        var failed = 0
    }

    /// The keys of all gets, and where each ends: they are needed again for messages and for JSON.
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var keys = KeyBatch()
    private var places: [Place] = []
    private var commandCount = 0

    var isEmpty: Bool { places.isEmpty }
    var isFull: Bool { places.count >= Self.limit }

    /// Adds a key of the command that `endCommand` ends.
    ///
    /// - Parameter line: stays valid until the batch is answered; the key is copied.
    mutating func add(
        _ key: UnsafeRawBufferPointer, line: UnsafeRawBufferPointer, number: Int, offset: Int
    ) {
        unsafe bytes.append(contentsOf: key)
        ends.append(bytes.count)
        // SAFETY: borrowed while it is copied.
        unsafe keys.append(key.bytes)
        unsafe places.append(
            Place(line: line, number: number, offset: offset, command: commandCount))
    }

    mutating func endCommand() { commandCount += 1 }

    private func range(_ index: Int) -> Range<Int> {
        (index == 0 ? 0 : ends[index - 1])..<ends[index]
    }

    /// Prints what was found and empties the batch. `onError` says whether to go on behind a key
    /// that could not be read; where it does not, the rest of the batch is not done.
    mutating func answer(
        _ session: Session,
        onError: (CommandError, UnsafeRawBufferPointer, Int) -> Bool
    ) -> Result {
        var result = Result()
        var lastFailed = -1
        var next = 0
        while next < places.count {
            do throws(StoreError) {
                try look(up: next..., session) { next = $0 + 1 }
            } catch {
                let place = places[next]
                // SAFETY: the word is used inside the call only.
                let failure = unsafe bytes[range(next)].withUnsafeBytes { key in
                    let word = unsafe Word(bytes: key, kind: .bare, offset: place.offset)
                    return CommandError(error, at: word, key: word)
                }
                if place.command > lastFailed { result.failed += 1 }
                lastFailed = place.command
                guard unsafe onError(failure, place.line, place.number) else { break }
                next += 1
            }
        }
        let done = next < places.count ? lastFailed + 1 : commandCount
        result.succeeded = done - result.failed
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        keys.removeAll()
        places.removeAll(keepingCapacity: true)
        commandCount = 0
        return result
    }

    /// - Parameter answered: called with the index of each key that was answered.
    private func look(
        up rest: PartialRangeFrom<Int>, _ session: Session, answered: (Int) -> Void
    ) throws(StoreError) {
        let first = rest.lowerBound
        var remaining = keys
        if first > 0 {
            remaining.removeAll()
            for index in first..<places.count {
                unsafe remaining.append(bytes.span.bytes.extracting(range(index)))
            }
        }
        let printer = session.printer
        try session.store.withValues(for: remaining) { index, value in
            answered(first + index)
            // SAFETY: key and value are used inside the call only.
            unsafe bytes.span.bytes.extracting(range(first + index)).withUnsafeBytes { key in
                guard let value else { return unsafe session.reportMissing(key) }
                unsafe value.withUnsafeBytes { unsafe printer.printValue($0, forKey: key) }
            }
        }
    }
}
