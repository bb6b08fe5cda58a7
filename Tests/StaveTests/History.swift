import Foundation
import StaveDisk
import TestSupport

@testable import Stave

/// A sequence of writes, and what a store that made the first few of them holds.
struct History {
    /// A nil value deletes.
    var writes: [(key: String, value: String?)] = []

    /// `count` writes over few keys, with overwrites and deletes that hit.
    static func random(_ count: Int, keys: Int = 7, seed: UInt64 = 1) -> History {
        var random = SeededRandom(seed: seed)
        var history = History()
        var present: Set<String> = []
        for number in 0..<count {
            let key = "key \(Int.random(in: 0..<keys, using: &random))"
            if present.contains(key), random.chance(25) {
                present.remove(key)
                history.writes.append((key, nil))
            } else {
                present.insert(key)
                let padding = String(repeating: "x", count: Int.random(in: 0...30, using: &random))
                history.writes.append((key, "value \(number) \(padding)"))
            }
        }
        return history
    }

    /// Makes the writes.
    func play(_ range: Range<Int>? = nil, on store: Store) throws {
        for write in writes[range ?? writes.indices] {
            if let value = write.value {
                try store.set(value, forKey: write.key)
            } else {
                try store.removeValue(forKey: write.key)
            }
        }
    }

    /// What a store holds after the first `count` writes.
    func state(after count: Int? = nil) -> [[UInt8]: [UInt8]] {
        var state: [[UInt8]: [UInt8]] = [:]
        for write in writes.prefix(count ?? writes.count) {
            state[Array(write.key.utf8)] = write.value.map { Array($0.utf8) }
        }
        return state
    }

    var keys: [[UInt8]] { Set(writes.map(\.key)).sorted().map { Array($0.utf8) } }
}

extension Store {
    /// What each of `keys` has, by single gets: must agree with a scan.
    func gets(_ keys: [[UInt8]]) throws -> [[UInt8]: [UInt8]] {
        var found: [[UInt8]: [UInt8]] = [:]
        for key in keys { found[key] = try value(forKey: key) }
        return found
    }
}

/// All files but LOCK, which every writer rewrites.
func itemsWithoutLock(_ path: String) throws -> [String: StoreFolder.Item] {
    try StoreFolder.items(path).filter { $0.key != FileName.lockName }
}

/// The error that `body` throws, if it is a store's.
func storeError<Result>(_ body: () throws -> Result) -> StoreError? {
    do {
        _ = try body()
        return nil
    } catch {
        return error as? StoreError
    }
}
