/// The lowest and highest of some sequence numbers; nil of none.
extension Optional where Wrapped == ClosedRange<UInt64> {
    package mutating func include(_ sequence: UInt64) { include(sequence...sequence) }

    package mutating func include(_ other: Self) {
        guard let other else { return }
        let range = self ?? other
        self = min(range.lowerBound, other.lowerBound)...max(range.upperBound, other.upperBound)
    }
}
