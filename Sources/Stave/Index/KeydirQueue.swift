internal import CLinux
internal import StaveDisk
internal import Synchronization

/// The newest sets: their records are in the log, their keys are not in the keydir yet.
///
/// Finding a key's old slot takes two waits for memory, one for its bucket and one for the record
/// that the slot names. A set only asks for the bucket and goes to the end of this queue; half way
/// through, its old record is asked for; at the front it is drained: the keydir names the new
/// record. So the waits of several sets pass at the same time.
///
///     set of k -> | k | 7 | 6 | 5 | 4 | 3 | 2 | 1 | -> keydir
///                   bucket      record      drain
///
/// Rules:
/// 1. It changes under the writer lock only. `Index.lock` drains it first, so that
///    a thread that holds the lock finds every key in the keydir; only a set does not.
/// 2. Readers look here before they look into the keydir, from the newest entry to the oldest.
///    Entries leave oldest first, and only when the keydir has them; so a reader never finds an
///    older record than the newest that was there when it began.
@safe final class KeydirQueue: @unchecked Sendable {
    // @unchecked: what readers see are atomics, the writer lock guards the rest.
    static let capacity = 8
    /// Bytes of a key that may wait here.
    static let maxKeyLength = 256

    /// 16 bits of the hash of each entry that is here or was: what most readers look at, and no
    /// more.
    let fingerprints: UnsafeMutablePointer<Atomic<UInt64>>
    /// As in the keydir's slots; 0 where nothing waits.
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let keys: UnsafeMutableRawPointer
    /// Entries that ever came.
    private let pushed = Atomic<Int>(0)
    private let state = GuardedState(State())

    private struct State {
        /// Entries that ever left.
        var drained = 0
        var hashes = InlineArray<8, UInt64>(repeating: 0)
        var keyLengths = InlineArray<8, Int>(repeating: 0)
    }

    init() {
        // Aligned to the length of the fingerprints, because readers load all of them at once.
        unsafe fingerprints =
            UnsafeMutableRawPointer
            .allocate(byteCount: Self.capacity * 2, alignment: 16)
            .bindMemory(to: Atomic<UInt64>.self, capacity: Self.capacity / 4)
        unsafe words = .allocate(capacity: Self.capacity)
        for index in 0..<Self.capacity / 4 {
            unsafe (fingerprints + index).initialize(to: Atomic(0))
        }
        for index in 0..<Self.capacity { unsafe (words + index).initialize(to: Atomic(0)) }
        unsafe keys = .allocate(byteCount: Self.capacity * Self.maxKeyLength, alignment: 64)
    }

    deinit {
        unsafe fingerprints.deallocate()
        unsafe words.deallocate()
        unsafe keys.deallocate()
    }

    // MARK: The writer

    /// Entries that wait.
    @inline(__always)
    var count: Int { pushed.load(ordering: .relaxed) &- state.value.drained }

    /// Adds an entry behind the others, of which there are fewer than `capacity`.
    @inline(__always)
    func push(_ key: RawSpan, hash: UInt64, _ location: Location) {
        let number = pushed.load(ordering: .relaxed)
        let index = Self.index(number)
        state.value.hashes[index] = hash
        state.value.keyLengths[index] = key.byteCount
        // SAFETY: each entry has `maxKeyLength` bytes.
        unsafe key.withUnsafeBytes {
            unsafe (keys + index &* Self.maxKeyLength)
                .copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: $0.count)
        }
        let shift = UInt64(index & 3) &* 16
        let group = unsafe fingerprints + index / 4
        let others = unsafe group.pointee.load(ordering: .relaxed) & ~(0xffff << shift)
        unsafe group.pointee.store(others | Self.fingerprint(hash) << shift, ordering: .releasing)
        pushed.store(number &+ 1, ordering: .releasing)
        // Last: a reader that goes round the ring with an older `pushed` may come upon it, and its
        // next search must then begin here. Releasing: the record's bytes come before it, too.
        unsafe words[index].store(Keydir.word(hash, location), ordering: .releasing)
    }

    /// The hash of the entry that came `age` entries before the newest.
    @inline(__always)
    func hash(age: Int) -> UInt64 {
        state.value.hashes[Self.index(pushed.load(ordering: .relaxed) &- 1 &- age)]
    }

    /// The entry that is to be put into the keydir next, while there is one.
    @inline(__always)
    var oldest: (key: UnsafeRawBufferPointer, hash: UInt64, location: Location) {
        let index = Self.index(state.value.drained)
        // SAFETY: `push` copied as many bytes there.
        let key = unsafe UnsafeRawBufferPointer(
            start: keys + index &* Self.maxKeyLength, count: state.value.keyLengths[index])
        let word = unsafe words[index].load(ordering: .relaxed)
        return unsafe (key, state.value.hashes[index], Location(word: word))
    }

    /// Takes it away, after that.
    @inline(__always)
    func removeOldest() {
        // Releasing: a reader that finds nothing here any more finds it in the keydir.
        unsafe words[Self.index(state.value.drained)].store(0, ordering: .releasing)
        state.value.drained &+= 1
    }

    // MARK: Readers

    /// May an entry have this hash? If not, none has that was there before the call.
    @inline(__always)
    func mayHold(_ hash: UInt64) -> Bool { unsafe Self.mayHold(hash, fingerprints) }

    /// The same, for a look-up that keeps the address of the fingerprints.
    @inline(__always)
    static func mayHold(
        _ hash: UInt64, _ fingerprints: UnsafeMutablePointer<Atomic<UInt64>>
    ) -> Bool {
        // SAFETY: `init` allocated as many bytes as are compared.
        unsafe stave_has_lane(fingerprints, UInt16(truncatingIfNeeded: fingerprint(hash)))
    }

    /// What `body` says of the newest entry with this hash's tag of which it says something.
    func first<Result>(_ hash: UInt64, _ body: (Location) -> Result?) -> Result? {
        let newest = pushed.load(ordering: .acquiring)
        for number in ((newest &- Self.capacity)..<newest).reversed() where number >= 0 {
            let word = unsafe words[Self.index(number)].load(ordering: .acquiring)
            guard word != 0, word >> Location.bits == Keydir.tag(hash) else { continue }
            if let result = body(Location(word: word)) { return result }
        }
        return nil
    }

    @inline(__always)
    private static func index(_ number: Int) -> Int { number & (capacity &- 1) }

    /// Of the bits of which neither shard nor tag is made.
    @inline(__always)
    private static func fingerprint(_ hash: UInt64) -> UInt64 { hash & 0xffff }
}
