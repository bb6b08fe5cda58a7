extension Manifest {
    /// Writes with this number and higher ones were made under this name, up to where the next
    /// history begins. A copy that goes its own way gets a name of its own: two stores that have
    /// the same name for a number have the same write there.
    package struct History: Equatable, Sendable {
        package var id: UInt64
        package var firstSequence: UInt64

        package init(id: UInt64, firstSequence: UInt64) {
            self.id = id
            self.firstSequence = firstSequence
        }
    }

    /// More than these are not kept: what is older is forgotten.
    package static let mostHistories = 64

    /// The one that the next write belongs to.
    package var history: History {
        histories.last ?? History(id: storeID.low, firstSequence: 1)
    }

    /// Writes from the next one on belong to a history of their own.
    ///
    /// - Parameter next: the next write's number.
    package mutating func beginHistory(_ id: UInt64, at next: UInt64) {
        histories.append(History(id: id, firstSequence: max(next, history.firstSequence)))
        histories.removeFirst(max(0, histories.count - Self.mostHistories))
    }

    /// Was the write with this number made under this history? The one before the first write is
    /// of any.
    package func has(_ sequence: UInt64, under id: UInt64) -> Bool {
        guard let index = histories.lastIndex(where: { $0.id == id }) else { return false }
        let next = index + 1 < histories.count ? histories[index + 1].firstSequence : .max
        return sequence < next
    }
}
