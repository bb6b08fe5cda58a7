import Foundation
import Glibc
import TestSupport

let stave = builtProduct("stave")

/// A folder with room for a store and a history.
struct Scratch {
    private let folder: TemporaryFolder

    init() {
        folder = try! TemporaryFolder()
        unsafe mkdir(path, 0o700)
    }

    var path: String { folder.path("files") }
    var store: String { folder.path("store") }
    var history: String { folder.path("history") }

    /// Changes the first byte of `text` in the store's segments.
    func damage(_ text: String) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: store) {
            let url = URL(fileURLWithPath: store + "/" + name)
            var bytes = try Data(contentsOf: url)
            guard let range = bytes.range(of: Data(text.utf8)) else { continue }
            bytes[range.lowerBound] ^= 0xFF
            try bytes.write(to: url)
        }
    }

    /// Does every segment end with its last record, as after a clean close, and not in reserved
    /// space?
    var isTrimmed: Bool {
        get throws {
            let names = try FileManager.default.contentsOfDirectory(atPath: store)
            return try names.filter { $0.hasSuffix(".segment") }.allSatisfy { name in
                let bytes = try Data(contentsOf: URL(fileURLWithPath: store + "/" + name))
                return !bytes.suffix(16).allSatisfy { $0 == 0 }
            }
        }
    }

    /// What a terminal's shell would give its children, and nothing of this machine's.
    func environment(_ more: [String: String] = [:]) -> [String: String] {
        [
            "TERM": "xterm-256color", "HOME": path, "STAVE_HISTORY": history, "NO_COLOR": "1",
            "SWIFT_BACKTRACE": "enable=no",
        ].merging(more) { $1 }
    }

    func terminal(_ options: [String] = [], _ more: [String: String] = [:]) throws -> Terminal {
        try Terminal([stave] + options + [store], environment: environment(more))
    }
}

/// How to run the program as a user whom file permissions bind: they bind no root. All that is in
/// the scratch folder belongs to that user then.
struct OtherUser {
    /// What stands in front of the program.
    let command: [String]
    let stave: String
    /// Its number; the one of the tests, where that is not root.
    static let number: uid_t = geteuid() == 0 ? 65534 : geteuid()

    init(_ scratch: Scratch) throws {
        guard geteuid() == 0 else {
            command = []
            stave = builtProduct("stave")
            return
        }
        command = [
            "/usr/bin/setpriv", "--reuid=\(Self.number)", "--regid=\(Self.number)",
            "--clear-groups",
        ]
        // The built one may lie where others cannot go.
        stave = scratch.path + "/stave"
        try FileManager.default.copyItem(atPath: builtProduct("stave"), toPath: stave)
        for name in [""] + (try FileManager.default.contentsOfDirectory(atPath: scratch.path)) {
            unsafe chown(scratch.path + "/" + name, Self.number, Self.number)
        }
    }
}

/// What a run left behind.
struct Outcome {
    var status: Int32
    var output: [UInt8]
    var errors: String
    var text: String { String(decoding: output, as: UTF8.self) }
}

/// Runs the program to its end.
func run(_ arguments: [String], input: [UInt8] = []) throws -> Outcome {
    let child = try PipedChild([stave] + arguments, environment: ["SWIFT_BACKTRACE": "enable=no"])
    child.send(input)
    let status = child.finish()
    return Outcome(status: status, output: child.output, errors: child.errors)
}

func run(_ arguments: [String], script: String) throws -> Outcome {
    try run(arguments, input: Array(script.utf8))
}

/// A small generator with a seed that a failing test prints (SplitMix64, Steele et al. 2014).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
