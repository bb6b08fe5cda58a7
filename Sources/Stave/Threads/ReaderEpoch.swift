internal import CLinux
internal import Glibc
internal import StaveDisk
public import Synchronization

/// Lets readers hold on to memory without a lock, and lets the writer find out when none of them
/// can hold what it took out of reach (epoch-based reclamation: K. Fraser, Practical lock-freedom,
/// 5.2.3).
///
/// Rules:
/// 1. A reader enters before it loads anything shared, and leaves when it is done with it.
/// 2. What is to be freed is first made unreachable, then retired with the next epoch's number.
/// 3. It may be freed once every reader inside entered at that epoch or later.
/// 4. A reader's store of its epoch must not be overtaken by its later loads. Readers do not pay
///    for a fence: the reclaimer makes every running thread execute one with membarrier(2) before
///    it looks. Where the kernel has no membarrier, readers fence themselves: they find their
///    thread's slot empty.
@usableFromInline
@safe struct ReaderEpoch {
    /// What is 0 when the entry is left: the reader's `epoch`, or, inside of another entry, its
    /// `nested`.
    @usableFromInline let entered: UnsafeMutablePointer<Atomic<UInt64>>

    /// Enters; the caller leaves. May be nested: the entry that began last is left first.
    @inline(__always)
    static func enter() -> ReaderEpoch { enterDirectly() ?? enterSlowly() }

    /// The same without a call; nil where the thread never entered before, is inside, or must
    /// fence.
    @inline(__always)
    static func enterDirectly() -> ReaderEpoch? {
        guard let slot = unsafe stave_thread_slot() else { return nil }
        let reader = unsafe slot.assumingMemoryBound(to: Reader.self)
        // Only this thread writes it.
        if unsafe reader.pointee.epoch.load(ordering: .relaxed) != 0 { return nil }
        return unsafe ReaderEpoch(reader)
    }

    @inline(never)
    private static func enterSlowly() -> ReaderEpoch {
        let reader =
            unsafe stave_thread_value().map {
                unsafe $0.assumingMemoryBound(to: Reader.self)
            } ?? Reader.register()
        if unsafe reader.pointee.epoch.load(ordering: .relaxed) != 0 {
            return unsafe ReaderEpoch(nestedIn: reader)
        }
        let epoch = unsafe ReaderEpoch(reader)
        if unsafe reader.pointee.clock.pointee.needsFence {
            atomicMemoryFence(ordering: .sequentiallyConsistent)
        } else {
            unsafe stave_set_thread_slot(reader)
        }
        return epoch
    }

    @inline(__always)
    private init(_ reader: UnsafeMutablePointer<Reader>) {
        // SAFETY: `epoch` is the reader's first field.
        unsafe entered = UnsafeMutableRawPointer(reader)
            .assumingMemoryBound(to: Atomic<UInt64>.self)
        let now = unsafe reader.pointee.clock.pointee.epoch.load(ordering: .relaxed)
        unsafe entered.pointee.store(now, ordering: .relaxed)
        // Keeps the compiler from moving loads up; the processor is rule 4's business.
        atomicMemoryFence(ordering: .acquiring)
    }

    /// The reader's epoch stays: its other entry goes on when this one is left.
    private init(nestedIn reader: UnsafeMutablePointer<Reader>) {
        // SAFETY: `nested` is the reader's second field.
        unsafe entered =
            UnsafeMutableRawPointer(reader)
            .assumingMemoryBound(to: Atomic<UInt64>.self) + 1
    }

    @inlinable @inline(__always)
    func leave() {
        // Releasing: what the reader read happened before a reclaimer that sees 0.
        unsafe entered.pointee.store(0, ordering: .releasing)
    }
}

/// One thread's place in the list of readers. Never freed; taken over by a later thread.
@safe struct Reader: ~Copyable {
    /// The epoch at which the thread entered; 0 outside. The first fields: see `ReaderEpoch`.
    let epoch = Atomic<UInt64>(0)
    /// What entries write that are nested in another one. Read by none.
    let nested = Atomic<UInt64>(0)
    let isTaken = Atomic<Bool>(true)
    /// The same for all readers; here because a global is a call away.
    let clock = unsafe Readers.clock
    var next: UnsafeMutablePointer<Reader>?

    @inline(never)
    static func register() -> UnsafeMutablePointer<Reader> {
        let reader = unsafe Readers.lock.withLock { () -> UnsafeMutablePointer<Reader> in
            var candidate = unsafe Readers.first
            while let free = unsafe candidate {
                if unsafe !free.pointee.isTaken.load(ordering: .acquiring) {
                    unsafe free.pointee.isTaken.store(true, ordering: .relaxed)
                    return unsafe free
                }
                unsafe candidate = free.pointee.next
            }
            let made = UnsafeMutablePointer<Reader>.allocate(capacity: 1)
            unsafe made.initialize(to: Reader())
            unsafe made.pointee.next = Readers.first
            unsafe Readers.first = unsafe made
            return unsafe made
        }
        unsafe stave_set_thread_value(reader) { value in
            guard let value = unsafe value else { return }
            let reader = unsafe value.assumingMemoryBound(to: Reader.self)
            unsafe reader.pointee.isTaken.store(false, ordering: .releasing)
        }
        return unsafe reader
    }
}

/// What all threads of the process share.
enum Readers {
    @safe struct Clock: ~Copyable {
        let epoch = Atomic<UInt64>(1)
        let needsFence = !MemoryBarrier.register()
    }

    nonisolated(unsafe) static let clock: UnsafeMutablePointer<Clock> = {
        let clock = UnsafeMutablePointer<Clock>.allocate(capacity: 1)
        unsafe clock.initialize(to: Clock())
        return unsafe clock
    }()

    static let lock = Lock(.readers)
    /// Guarded by `lock`.
    nonisolated(unsafe) static var first: UnsafeMutablePointer<Reader>?

    /// Begins a new epoch; what was made unreachable before may be freed when `haveLeft(epoch)`.
    static func advance() -> UInt64 {
        unsafe clock.pointee.epoch.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
    }

    /// Has every reader left that entered before `epoch` began? False also where that cannot be
    /// known now.
    ///
    /// - Parameter path: of the store that asks.
    static func haveLeft(_ epoch: UInt64, for path: String) -> Bool {
        if unsafe clock.pointee.needsFence {
            atomicMemoryFence(ordering: .sequentiallyConsistent)
        } else if !MemoryBarrier.run(for: path) {
            // Without the fence a reader that is inside may look as if it were not (rule 4).
            return false
        }
        return lock.withLock {
            var reader = unsafe first
            while let current = unsafe reader {
                let entered = unsafe current.pointee.epoch.load(ordering: .acquiring)
                if entered != 0 && entered < epoch { return false }
                unsafe reader = current.pointee.next
            }
            return true
        }
    }
}

/// Things that wait until no reader can hold them. Guarded by the lock of who owns it.
struct Limbo {
    private var waiting: [(epoch: UInt64, release: () -> Void)] = []

    /// Takes something that no new reader can reach any more.
    mutating func retire(_ release: @escaping () -> Void) {
        waiting.append((Readers.advance(), release))
    }

    /// Releases what no reader can hold. Never waits.
    mutating func collect(for path: String) {
        guard let newest = waiting.last?.epoch else { return }
        if Readers.haveLeft(newest, for: path) {
            for item in waiting { item.release() }
            waiting.removeAll()
        } else {
            while let first = waiting.first, Readers.haveLeft(first.epoch, for: path) {
                first.release()
                waiting.removeFirst()
            }
        }
    }

    /// Releases everything, when the owner goes and no reader is left.
    mutating func releaseAll() {
        for item in waiting { item.release() }
        waiting.removeAll()
    }
}
