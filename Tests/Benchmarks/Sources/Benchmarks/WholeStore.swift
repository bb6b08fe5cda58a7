import CFloor
import Foundation
import Stave

/// What has no counterpart in the floor: scans, compaction, opening, memory.
@MainActor
func measureWholeStore(_ path: String) throws {
    let value = [UInt8](repeating: 118, count: valueLength)
    var open: Store? = try openStore(path)
    var store: Store { open! }
    do {
        let keys = Keys(count: n, length: keyLength, seed: 9)
        keys.forEach { try! store.set(value.span.bytes, forKey: $0) }
    }
    func report(_ name: String, _ operations: Int, _ body: () throws -> Void) rethrows {
        let (wall, cpu) = (cfloor_wall_nanoseconds(), cfloor_process_nanoseconds())
        try body()
        let wallNow = Double(cfloor_wall_nanoseconds() - wall)
        let cpuNow = Double(cfloor_process_nanoseconds() - cpu)
        row([
            name, String(format: "%.1f ms", wallNow / 1e6),
            String(format: "%.0f", cpuNow / Double(operations)),
        ])
    }
    print("")
    row(["whole store", "wall", "ns a key"])
    func scan() throws {
        var cursor = try store.entries()
        var count = 0
        while try cursor.next() != nil { count += 1 }
        precondition(count == n)
    }
    try report("scan, first", n) { try scan() }
    try report("scan, again", n) { try scan() }
    // What kill -9 leaves: the files as they are, not closed.
    let killed = path + "-killed"
    try FileManager.default.copyItem(atPath: path, toPath: killed)
    try report("close", n) { try store.close() }
    open = nil
    let before = cfloor_anonymous_bytes()
    try report("open after a clean close", n) { open = try openStore(path) }
    let resident = cfloor_anonymous_bytes()
    try report("open after kill -9", n) { try openStore(killed).close() }
    try FileManager.default.removeItem(atPath: killed)
    let statistics = try store.statistics()
    try report("compact (live data only)", n) { _ = try store.compact() }
    try report("scan after compaction", n) { try scan() }
    try report("overwrite all", n) {
        let keys = Keys(count: n, length: keyLength, seed: 10)
        keys.forEach { try! store.set(value.span.bytes, forKey: $0) }
    }
    try report("compact (half dead)", n) { _ = try store.compact() }
    try store.close()
    print("")
    let keydir = Double(statistics.keydirBytes) / Double(n)
    print("keydir: \(String(format: "%.2f", keydir)) bytes a key;", terminator: " ")
    let grown = Double(resident) - Double(before)
    print(
        "anonymous memory of an open store: \(String(format: "%.2f", grown / Double(n))) bytes a key"
    )
    let disk = Double(statistics.diskBytes) / Double(n)
    print("disk after filling: \(String(format: "%.1f", disk)) bytes a key")
}
