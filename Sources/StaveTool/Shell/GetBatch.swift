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

    private var keys: [[UInt8]] = []
    private var places: [Place] = []
    private var commandCount = 0

    var isEmpty: Bool { keys.isEmpty }
    var isFull: Bool { keys.count >= Self.limit }

    /// - Parameter line: stays valid until the batch is answered.
    mutating func add(_ words: [Word], line: UnsafeRawBufferPointer, number: Int) {
        for word in words.dropFirst() {
            keys.append(word.array)
            // SAFETY: see the parameter.
            unsafe places.append(
                Place(line: line, number: number, offset: word.offset, command: commandCount))
        }
        commandCount += 1
    }

    /// Prints what was found and empties the batch. `onError` says whether to go on behind a key that
    /// could not be read; where it does not, the rest of the batch is not done.
    mutating func answer(
        _ session: Session,
        onError: (CommandError, UnsafeRawBufferPointer, Int) -> Bool
    ) -> Result {
        var result = Result()
        var lastFailed = -1
        var next = 0
        let printer = session.printer
        while next < keys.count {
            let first = next
            let rest = first == 0 ? keys : Array(keys[first...])
            do throws(StoreError) {
                try session.store.withValues(forKeys: rest) { index, value in
                    next = first + index + 1
                    // SAFETY: key and value are used inside the call only.
                    unsafe rest[index].withUnsafeBytes { key in
                        guard let value else { return unsafe session.reportMissing(key) }
                        unsafe value.withUnsafeBytes {
                            unsafe printer.printValue($0, forKey: key)
                        }
                    }
                }
            } catch {
                let place = places[next]
                let failure = CommandError(message: error.description, offset: place.offset)
                if place.command > lastFailed { result.failed += 1 }
                lastFailed = place.command
                guard unsafe onError(failure, place.line, place.number) else { break }
                next += 1
            }
        }
        let done = next < keys.count ? lastFailed + 1 : commandCount
        result.succeeded = done - result.failed
        keys.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        commandCount = 0
        return result
    }
}
