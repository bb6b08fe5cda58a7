/// What `Store.verify` looked at and what it found. All sizes are bytes.
public struct VerificationReport: Equatable, Sendable {
    /// One thing that is not as it should be.
    public struct Problem: Equatable, Sendable {
        /// The file, with its directory; the directory itself for what is in memory alone.
        public var file: String
        /// Where in the file; nil where it concerns the file as a whole, or memory.
        public var offset: Int?
        /// Bytes that it concerns; 0 where that is not known.
        public var length: Int
        /// What is wrong, in words.
        public var text: String
    }

    /// Segments that were read.
    public var segmentCount = 0
    /// Records, older versions and tombstones too.
    public var recordCount = 0
    /// Bytes of segments and hint files that were read.
    public var checkedBytes = 0
    /// Hint files that were compared with the records of their segments.
    public var hintCount = 0
    /// Keys that have a value, as the replay of all segments counted them.
    public var keyCount = 0
    /// False where a compaction was switching entries all the time, so that the counters of live
    /// bytes could not be compared.
    public var comparedCounters = true
    /// The first thousand; `problemCount` counts all.
    public private(set) var problems: [Problem] = []
    /// All problems, also those that `problems` has no room for.
    public private(set) var problemCount = 0

    /// Was nothing wrong?
    public var isClean: Bool { problemCount == 0 }

    mutating func add(_ file: String, _ offset: Int?, length: Int = 0, _ text: String) {
        problemCount += 1
        guard problems.count < 1000 else { return }
        problems.append(Problem(file: file, offset: offset, length: length, text: text))
    }
}
