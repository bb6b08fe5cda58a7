internal import Stave

/// Keys that begin alike, up to their next `:` or `/`: what Tab shows of a store of millions. Keys
/// of a group are counted up to a limit and then passed over, so that the time does not depend on
/// how many there are.
struct KeyLevel {
    /// A key, or several that begin with the same bytes up to a delimiter.
    struct Group {
        var bytes: [UInt8]
        var keyCount = 1
        /// There are more keys than were counted.
        var hasMore = false
    }

    private static let delimiters = [UInt8(ascii: ":"), UInt8(ascii: "/")]
    private static let mostGroups = 200
    private static let mostCounted = 1000
    private static let mostCountedBehind = 100_000

    /// What all keys with the prefix begin with; the key itself where there is one only.
    let common: [UInt8]
    let isOneKey: Bool
    private let prefix: [UInt8]
    /// In the order of their bytes.
    private(set) var groups: [Group] = []
    /// Keys behind those of the groups.
    private(set) var restCount = 0
    private(set) var restHasMore = false

    /// nil where no key begins with `prefix`. Finds the groups only with `readGroups`.
    init?(_ store: Store, prefix: [UInt8]) {
        let range = KeyRange(prefix: prefix)
        guard var ascending = try? store.entries(in: range),
            var descending = try? store.entries(in: range, direction: .descending),
            let first = Self.nextKey(&ascending), let last = Self.nextKey(&descending)
        else { return nil }
        self.prefix = prefix
        isOneKey = first == last
        // Keys are sorted, so what the first and the last share, all share.
        common = zip(first, last).prefix { $0 == $1 }.map(\.0)
    }

    /// Steps over damage: other keys can be completed all the same.
    private static func nextKey(_ cursor: inout EntryCursor) -> [UInt8]? {
        for _ in 0..<1000 {
            do throws(StoreError) { return try cursor.nextKey() } catch { continue }
        }
        return nil
    }

    mutating func readGroups(_ store: Store) {
        guard var cursor = cursor(store, from: prefix) else { return }
        var first: [UInt8] = []
        while let key = Self.nextKey(&cursor) {
            let bytes = level(of: key)
            if let last = groups.last, last.bytes == bytes {
                groups[groups.count - 1].keyCount += 1
                guard groups[groups.count - 1].keyCount >= Self.mostCounted else { continue }
                groups[groups.count - 1].hasMore = true
                // Behind all keys of the group.
                guard let next = Self.end(of: bytes),
                    let behind = self.cursor(store, from: next)
                else { break }
                cursor = behind
                continue
            }
            nameLast(first)
            if groups.count == Self.mostGroups {
                countRest(&cursor)
                return
            }
            groups.append(Group(bytes: bytes))
            first = key
        }
        nameLast(first)
    }

    /// A group of one key is that key.
    private mutating func nameLast(_ key: [UInt8]) {
        if let last = groups.last, last.keyCount == 1 { groups[groups.count - 1].bytes = key }
    }

    private mutating func countRest(_ cursor: inout EntryCursor) {
        restCount = 1
        while restCount < Self.mostCountedBehind, Self.nextKey(&cursor) != nil { restCount += 1 }
        restHasMore = restCount == Self.mostCountedBehind
    }

    private func cursor(_ store: Store, from start: [UInt8]) -> EntryCursor? {
        try? store.entries(in: KeyRange(from: start, to: Self.end(of: prefix)))
    }

    /// The first that could follow all keys with the prefix; nil where none could.
    private static func end(of prefix: [UInt8]) -> [UInt8]? {
        guard let last = prefix.lastIndex(where: { $0 < 0xff }) else { return nil }
        return prefix[..<last] + [prefix[last] + 1]
    }

    /// Up to the next delimiter behind the prefix, and others that follow it at once: `http://`.
    private func level(of key: [UInt8]) -> [UInt8] {
        let rest = key[prefix.count...]
        guard let start = rest.firstIndex(where: Self.delimiters.contains) else { return key }
        let end = rest[start...].firstIndex { !Self.delimiters.contains($0) } ?? key.count
        return Array(key[..<end])
    }
}
