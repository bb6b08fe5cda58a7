import Foundation
import TestSupport

/// One run of `stave inspect`, the real program, found beside the test bundle.
struct InspectRun {
    let output: String
    let errors: String
    let status: Int32
    /// A signal or a trap ended it, or it was still running after 60 seconds.
    let crashed: Bool

    static var program: URL {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let beside = URL(fileURLWithPath: own ?? "/").deletingLastPathComponent()
            .appendingPathComponent("stave")
        if FileManager.default.isExecutableFile(atPath: beside.path) { return beside }
        return URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../.build/debug/stave").standardizedFileURL
    }

    init(_ arguments: [String], in folder: TemporaryFolder) throws {
        let process = Process()
        process.executableURL = Self.program
        process.arguments = ["inspect"] + arguments
        process.currentDirectoryURL = folder.url
        let (out, err) = (Pipe(), Pipe())
        process.standardOutput = out
        process.standardError = err
        var environment = ProcessInfo.processInfo.environment
        environment["SWIFT_BACKTRACE"] = "enable=no"
        process.environment = environment
        try process.run()
        let timer = DispatchWorkItem { process.terminate() }
        DispatchQueue.global().asyncAfter(deadline: .now() + 60, execute: timer)
        let outputData = out.fileHandleForReading.readDataToEndOfFile()
        let errorData = err.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        timer.cancel()
        output = String(decoding: outputData, as: UTF8.self)
        errors = String(decoding: errorData, as: UTF8.self)
        status = process.terminationStatus
        crashed = process.terminationReason == .uncaughtSignal
    }
}

/// Compares `text` with a checked-in file, which STAVE_UPDATE_SNAPSHOTS=1 writes anew.
func matchesSnapshot(_ text: String, _ name: String, file: String = #filePath) throws -> Bool {
    let url = URL(fileURLWithPath: file).deletingLastPathComponent()
        .appendingPathComponent("Snapshots/\(name).txt")
    if ProcessInfo.processInfo.environment["STAVE_UPDATE_SNAPSHOTS"] == "1" {
        try Data(text.utf8).write(to: url)
    }
    let wanted = (try? String(contentsOf: url, encoding: .utf8)) ?? ""
    if wanted != text { print("--- \(name), wanted:\n\(wanted)--- got:\n\(text)---") }
    return wanted == text
}
