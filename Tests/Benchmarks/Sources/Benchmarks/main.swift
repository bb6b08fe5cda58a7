// Stave beside the floor, interleaved in one run. Figures are CPU time, because wall time on a shared
// machine says little; read the ratios.
//
//     Benchmarks [N] [key length] [rounds]     0 rounds: only the latencies and the bound

import CFloor
import Foundation
import Stave

let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
let n = arguments.first ?? 1_000_000
let keyLength = arguments.count > 1 ? max(16, arguments[1]) : 16
let rounds = arguments.count > 2 ? arguments[2] : 3
let valueLength = 100
let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "stave-bench-\(getpid())")
try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
defer { try? FileManager.default.removeItem(at: folder) }

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

func row(_ cells: [String]) {
    var line = cells[0].padding(toLength: 26, withPad: " ", startingAt: 0)
    for cell in cells.dropFirst() {
        line += String(repeating: " ", count: max(1, 11 - cell.count)) + cell
    }
    print(line)
}

func openStore(_ path: String) throws -> Store {
    var options = StoreOptions()
    options.createsIfMissing = true
    options.durability = .os
    return try Store(path: path, options: options)
}

print(
    "\(n) keys of \(keyLength) bytes, values of \(valueLength) bytes, \(rounds) rounds; CPU ns an operation"
)
var stave: [[Cost]] = []
var floor: [[Cost]] = []
var memory: [Double] = []
for round in 0..<rounds {
    let path = folder.appendingPathComponent("floor").path
    let bytes = n * (keyLength + valueLength + 24) * 3 + (1 << 20)
    autoreleasepoolFree {
        let engine = FloorEngine(path: path, bytes: bytes, expectedKeys: n, keyLength: keyLength)
        floor.append(measurePoints(engine, n, keyLength, valueLength))
    }
    try FileManager.default.removeItem(atPath: path)
    let directory = folder.appendingPathComponent("store-\(round)").path
    try autoreleasepoolFree {
        let store = try openStore(directory)
        let engine = StaveEngine(store, keyLength: keyLength)
        stave.append(measurePoints(engine, n, keyLength, valueLength))
        try store.close()
    }
    if round < rounds - 1 { try FileManager.default.removeItem(atPath: directory) }
}
if rounds > 0 {
    row(["", "floor", "stave", "ratio", "process"])
    for (index, name) in workloadNames.enumerated() {
        let bare = median(floor.map { $0[index].thread })
        let ours = median(stave.map { $0[index].thread })
        let all = median(stave.map { $0[index].process })
        row([
            name, String(format: "%.0f", bare), String(format: "%.0f", ours),
            String(format: "%.2f", ours / bare), String(format: "%.0f", all),
        ])
    }
    try measureWholeStore(folder.appendingPathComponent("whole").path)
}
try measureLatency(folder.appendingPathComponent("latency").path)

/// Runs `body` in a scope of its own, so that what it made is gone when it returns.
@inline(never)
func autoreleasepoolFree(_ body: () throws -> Void) rethrows { try body() }
