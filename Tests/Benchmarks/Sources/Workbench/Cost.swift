import CFloor
import Foundation

/// What a stretch of work took, in nanoseconds: CPU time of the calling thread and of the whole
/// process (what an engine does in the background included), and time on the wall.
struct Cost {
    var thread: Double
    var process: Double
    var wall: Double

    static func measure(_ body: () throws -> Void) rethrows -> Cost {
        let (thread, process) = (cfloor_thread_nanoseconds(), cfloor_process_nanoseconds())
        let wall = cfloor_wall_nanoseconds()
        try body()
        let end = cfloor_wall_nanoseconds()
        return Cost(
            thread: Double(cfloor_thread_nanoseconds() - thread),
            process: Double(cfloor_process_nanoseconds() - process), wall: Double(end - wall))
    }

    /// Lets the engine's background end what the work has caused, and counts its CPU time.
    mutating func settle() {
        let start = cfloor_process_nanoseconds()
        for _ in 0..<600 {
            let before = cfloor_process_nanoseconds()
            usleep(200_000)
            // A thread that only looks whether there is work takes less.
            if cfloor_process_nanoseconds() - before < 2_000_000 { break }
        }
        process += Double(cfloor_process_nanoseconds() - start)
    }
}

/// One measured figure: a line of JSON in the results. Times are nanoseconds an operation.
struct Measurement: Codable {
    var engine: String
    var keys: Int
    var keyLength: Int
    var valueLength: Int
    var round: Int
    var workload: String
    var operations: Int
    var thread: Double
    var process: Double
    var wall: Double
    /// Other figures, by name.
    var values: [String: Double]?

    /// A workload of this name says that a stage was done, so that it is not run again.
    static func done(_ stage: String) -> String { "done \(stage)" }
}

/// The machine of a run: the other kind of line in the results.
struct Machine: Codable {
    var machine: String
    var processor: String
    var processors: Int
    var memoryBytes: Int
    var kernel: String
    var fileSystem: String
    var system: String
    var versions: [String: String]
    var date: String
}

enum Space {
    /// Bytes that the files under a directory take on disk.
    static func allocated(_ directory: String) -> Int {
        var bytes = 0
        for name in (try? FileManager.default.subpathsOfDirectory(atPath: directory)) ?? [] {
            var status = stat()
            // A file may go while it is looked at.
            if lstat(directory + "/" + name, &status) == 0 { bytes += Int(status.st_blocks) * 512 }
        }
        return bytes
    }
}
