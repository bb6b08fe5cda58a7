import Foundation
import Stave

/// The operations that are counted, each in a function of its own, whose end callgrind sees.
final class Work {
    static let names = [
        "set", "overwrite", "get_hit", "get_miss", "get_copied", "get_batched", "delete", "scan",
    ]
    private let store: Store
    fileprivate let n: Int
    fileprivate let keyBytes: [UInt8]
    fileprivate let missingBytes: [UInt8]

    init(directory: String, keys: Int) {
        n = keys
        keyBytes = Work.keys(keys, seed: 1)
        missingBytes = Work.keys(keys, seed: 2)
        var options = StoreOptions()
        options.createsIfMissing = true
        options.durability = .os
        // What runs in the background does so whenever it likes, which would count differently each
        // time.
        options.compaction.isAutomatic = false
        store = try! Store(path: directory, options: options)
    }

    /// 16 bytes each, one behind the other.
    private static func keys(_ count: Int, seed: UInt64) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count * 16)
        for index in 0..<count * 16 {
            // An odd multiplier leaves each key's number its own.
            let word = (UInt64(index / 16) &* 2 &+ seed) &* 0x9e37_79b9_7f4a_7c15
            bytes[index] = UInt8(truncatingIfNeeded: word >> (UInt64(index % 8) * 8))
        }
        return bytes
    }

    /// Each operation on all keys, `delete` on every second one, `scan` on what is left.
    func run() {
        let work = Unmanaged.passUnretained(self).toOpaque()
        for step in steps { step(work) }
        exit(0)
    }

    fileprivate func forEach(_ bytes: [UInt8], step: Int = 1, _ body: (RawSpan) -> Void) {
        let span = bytes.span.bytes
        for index in stride(from: 0, to: n, by: step) {
            body(span.extracting(index * 16..<index * 16 + 16))
        }
    }

    fileprivate func setAll(_ byte: UInt8) {
        let value = [UInt8](repeating: byte, count: 100)
        forEach(keyBytes) { try! store.set(value.span.bytes, forKey: $0) }
    }

    fileprivate func getAll(_ bytes: [UInt8]) -> Int {
        var found = 0
        forEach(bytes) { key in
            if try! store.withValue(forKey: key, { $0.byteCount }) == 100 { found += 1 }
        }
        return found
    }

    fileprivate func copyAll() -> Int {
        var (found, buffer) = (0, [UInt8](repeating: 0, count: 128))
        var span = buffer.mutableSpan
        var bytes = span.mutableBytes
        forEach(keyBytes) { key in
            if try! store.copyValue(forKey: key, into: &bytes) == 100 { found += 1 }
        }
        return found
    }

    fileprivate func getBatches() -> Int {
        var (batch, found) = (KeyBatch(), 0)
        let keyBytes = keyBytes
        let span = keyBytes.span.bytes
        for start in stride(from: 0, to: n, by: 16) {
            batch.removeAll()
            for index in start..<min(n, start + 16) {
                batch.append(span.extracting(index * 16..<index * 16 + 16))
            }
            try! store.withValues(for: batch) { _, value in if value != nil { found += 1 } }
        }
        return found
    }

    fileprivate func deleteHalf() -> Int {
        var found = 0
        forEach(keyBytes, step: 2) { if try! store.removeValue(forKey: $0) { found += 1 } }
        return found
    }

    fileprivate func scanAll() -> Int {
        var (cursor, found) = (try! store.entries(), 0)
        while try! cursor.next() != nil { found += 1 }
        return found
    }

    fileprivate static func expect(_ found: Int, _ expected: Int) {
        precondition(found == expected, "found \(found) keys of \(expected)")
    }
}

// C names, because callgrind is told where to write its counts by function.

private let steps: [@convention(c) (UnsafeMutableRawPointer) -> Void] = [
    budgetSet, budgetOverwrite, budgetHit, budgetMiss, budgetCopied, budgetBatched, budgetDelete,
    budgetScan,
]

private func work(_ context: UnsafeMutableRawPointer) -> Work {
    Unmanaged<Work>.fromOpaque(context).takeUnretainedValue()
}

@inline(never)
@_cdecl("budget_set")
func budgetSet(_ context: UnsafeMutableRawPointer) {
    work(context).setAll(118)
}

@inline(never)
@_cdecl("budget_overwrite")
func budgetOverwrite(_ context: UnsafeMutableRawPointer) {
    work(context).setAll(119)
}

@inline(never)
@_cdecl("budget_get_hit")
func budgetHit(_ context: UnsafeMutableRawPointer) {
    Work.expect(work(context).getAll(work(context).keyBytes), work(context).n)
}

@inline(never)
@_cdecl("budget_get_miss")
func budgetMiss(_ context: UnsafeMutableRawPointer) {
    Work.expect(work(context).getAll(work(context).missingBytes), 0)
}

@inline(never)
@_cdecl("budget_get_copied")
func budgetCopied(_ context: UnsafeMutableRawPointer) {
    Work.expect(work(context).copyAll(), work(context).n)
}

@inline(never)
@_cdecl("budget_get_batched")
func budgetBatched(_ context: UnsafeMutableRawPointer) {
    Work.expect(work(context).getBatches(), work(context).n)
}

@inline(never)
@_cdecl("budget_delete")
func budgetDelete(_ context: UnsafeMutableRawPointer) {
    Work.expect(work(context).deleteHalf(), (work(context).n + 1) / 2)
}

@inline(never)
@_cdecl("budget_scan")
func budgetScan(_ context: UnsafeMutableRawPointer) {
    Work.expect(work(context).scanAll(), work(context).n / 2)
}
