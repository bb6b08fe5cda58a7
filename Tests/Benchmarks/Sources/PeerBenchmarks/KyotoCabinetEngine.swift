import CPeers
import Workbench

extension EngineKind {
    static let kyotoCabinet = EngineKind(
        name: "kyoto", title: "Kyoto Cabinet HashDB", package: "libkyotocabinet-dev",
        settings: """
            HashDB with `bnum` twice the keys (the manual: half of the keys to four times as many), `msiz` \
            twice the data so that all of it is mapped, `opts=l` (linear chains, advised where there are \
            enough buckets). Values are lent by `accept`; multiget is `acceptbulk`. fillsync: \
            `synchronize(hard)`.
            """,
        features: [.multiget, .reopens, .durable, .threads], open: { KyotoCabinetEngine($0) })
}

final class KyotoCabinetEngine: Engine, @unchecked Sendable {
    private let database: UnsafeMutablePointer<KCDB>
    private let keyLength: Int
    private let list: UnsafeMutablePointer<KCSTR>

    init(_ options: EngineOptions) {
        keyLength = options.keyLength
        let mapped = max(64 << 20, options.dataBytes * 2)
        let path =
            options.directory
            + "/store.kch#bnum=\(options.expectedKeys * 2)#msiz=\(mapped)#opts=l"
        database = kcdbnew()!
        succeed(
            kcdbopen(database, path, UInt32(KCOWRITER | KCOCREATE)) != 0,
            "kcdbopen")
        list = .allocate(capacity: 64)
    }

    func set(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        succeed(
            kcdbset(database, key.characters, key.count, value.characters, value.count) != 0,
            "kcdbset")
    }

    private static let visit: KCVISITFULL = { key, keyLength, value, length, _, context in
        context.check.pointee.value(
            value!, length, for: UnsafeRawBufferPointer(start: key, count: keyLength))
        return KCVISNOP
    }

    func get(_ key: UnsafeRawBufferPointer, _ check: inout Check) -> Bool {
        let before = check.found
        withUnsafeMutablePointer(to: &check) { check in
            _ = kcdbaccept(
                database, key.characters, key.count, KyotoCabinetEngine.visit, nil, check, 0)
        }
        return check.found != before
    }

    func delete(_ key: UnsafeRawBufferPointer) -> Bool {
        kcdbremove(database, key.characters, key.count) != 0
    }

    func getMany(_ keys: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        for index in 0..<count {
            list[index] = KCSTR(
                buf: UnsafeMutablePointer(mutating: keys.key(index, keyLength).characters),
                size: keyLength)
        }
        withUnsafeMutablePointer(to: &check) { check in
            _ = kcdbacceptbulk(
                database, list, count, KyotoCabinetEngine.visit, nil, check, 0)
        }
    }

    func scan(_ check: inout Check) {
        withUnsafeMutablePointer(to: &check) { check in
            _ = kcdbiterate(
                database,
                { key, keyLength, value, length, _, context in
                    context.check.pointee.entry(
                        UnsafeRawBufferPointer(start: key, count: keyLength), value!, length)
                    return KCVISNOP
                }, check, 0)
        }
    }

    func setDurably(_ keys: UnsafeRawBufferPointer, count: Int, _ value: inout Value) {
        for index in 0..<count {
            let key = keys.key(index, keyLength)
            set(key, value.bytes(for: key))
        }
        succeed(kcdbsync(database, 1, nil, nil) != 0, "kcdbsync")
    }

    func close() {
        succeed(kcdbclose(database) != 0, "kcdbclose")
        kcdbdel(database)
    }
}
