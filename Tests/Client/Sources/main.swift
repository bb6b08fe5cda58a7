import Stave
import StaveCodable

let store = try await Store.open(CommandLine.arguments[1], .init(createsIfMissing: true))
try store.set("Ada Lovelace", forKey: "user:1")
print(try store.string(forKey: "user:1") ?? "absent")

let hits = TypedStore<String, Int>(store, prefix: "hits:")
for page in ["/", "/about", "/"] { try hits.update(page) { $0 = ($0 ?? 0) + 1 } }
try hits.forEach { page, count in print(page, count) }
try await store.close()
