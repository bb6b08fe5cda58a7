/// What the benchmark asks of an engine: as thin as can be over the engine's own calls. A failed
/// call ends the benchmark.
///
/// Every engine keeps the same promise: a call that returned survives `kill -9`, no call waits for
/// the disk. Values are handed to `Check` where they lie, by the engine's cheapest safe access.
public protocol Engine: AnyObject, Sendable {
    func set(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer)
    /// Whether the key is there; its value goes to `check`.
    func get(_ key: UnsafeRawBufferPointer, _ check: inout Check) -> Bool
    /// Copies the key's value into `buffer` and returns its length; nil where the key is absent.
    /// For callers behind a C interface.
    func copy(_ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer) -> Int?
    /// Whether the key was there.
    func delete(_ key: UnsafeRawBufferPointer) -> Bool
    /// Looks up `count` keys, one behind the other in memory, by the engine's call for many.
    func getMany(_ keys: UnsafeRawBufferPointer, count: Int, _ check: inout Check)
    /// Hands every entry to `check`, in the engine's order.
    func scan(_ check: inout Check)
    /// Hands the first `count` entries from `key` on to `check`, in order.
    func scan(from key: UnsafeRawBufferPointer, count: Int, _ check: inout Check)
    /// Sets `count` keys, one behind the other in memory, and makes them durable together: they
    /// survive a power cut when it returns. Only where `EngineOptions.isDurable`.
    func setDurably(_ keys: UnsafeRawBufferPointer, count: Int, _ value: inout Value)
    /// Rewrites everything, where the engine has a call for it.
    func compact()
    /// Memory of the index in bytes, where the engine tells.
    func indexBytes() -> Int?
    /// What another thread reads through: `self` where threads may share one.
    func reader() -> any Engine
    /// Ends a reader that `reader()` made; before `close()`.
    func closeReader()
    func close()
}

extension Engine {
    public func copy(
        _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) -> Int? {
        var check = Check(valueLength: buffer.count)
        check.copiesTo = buffer.baseAddress
        return get(key, &check) ? buffer.count : nil
    }
    public func compact() { fatalError("this engine does not compact") }
    public func getMany(_ keys: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        fatalError("this engine has no call for many keys")
    }
    public func scan(from key: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        fatalError("this engine has no order")
    }
    public func setDurably(_ keys: UnsafeRawBufferPointer, count: Int, _ value: inout Value) {
        fatalError("this engine is never durable")
    }
    public func indexBytes() -> Int? { nil }
    public func reader() -> any Engine { self }
    public func closeReader() {}
}

/// What an engine can do: workloads that it cannot do are left out.
public struct EngineFeatures: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// Scans a range in key order.
    public static let ordered = EngineFeatures(rawValue: 1)
    /// Has a call for many keys.
    public static let multiget = EngineFeatures(rawValue: 2)
    /// Rewrites its files in the background and when asked.
    public static let compacts = EngineFeatures(rawValue: 4)
    /// Can be closed and opened again, and opened after `kill -9`.
    public static let reopens = EngineFeatures(rawValue: 8)
    /// Can wait for the disk.
    public static let durable = EngineFeatures(rawValue: 16)
    /// Readers in several threads, beside a writer.
    public static let threads = EngineFeatures(rawValue: 32)
    /// Has hint files, without which it opens too.
    public static let hints = EngineFeatures(rawValue: 64)
}

public struct EngineOptions: Sendable {
    /// A directory of the engine's own, which is there.
    public var directory: String
    public var keyLength: Int
    public var valueLength: Int
    /// Keys that the engine may prepare itself for, where its manual says that one should say so.
    public var expectedKeys: Int
    /// Records that will be written in all: room for the floor, which never frees any.
    public var expectedWrites: Int
    /// `setDurably` will be called.
    public var isDurable: Bool

    /// Bytes of keys and values.
    public var dataBytes: Int { expectedKeys * (keyLength + valueLength) }
    /// For engines with a cache of their own: room for everything and half as much again, 100 MB at
    /// least, 8 GB at most. So all engines have all data in memory, in their cache or the kernel's.
    public var cacheBytes: Int { min(8_000_000_000, max(100_000_000, dataBytes * 3 / 2)) }
}

/// An engine to choose.
public struct EngineKind: Sendable {
    /// As the command line and the results have it.
    public var name: String
    public var title: String
    /// The Debian package whose version is told; nil for this project's own.
    public var package: String?
    /// The settings and where they come from, for the page.
    public var settings: String
    public var features: EngineFeatures
    public var open: @Sendable (EngineOptions) -> any Engine

    public init(
        name: String, title: String, package: String?, settings: String,
        features: EngineFeatures, open: @escaping @Sendable (EngineOptions) -> any Engine
    ) {
        self.name = name
        self.title = title
        self.package = package
        self.settings = settings
        self.features = features
        self.open = open
    }
}
