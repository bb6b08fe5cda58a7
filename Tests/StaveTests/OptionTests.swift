import Foundation
import TestSupport
import Testing

@testable import Stave

@Suite("Options")
struct OptionTests {
    struct Change: Sendable, CustomTestStringConvertible {
        let name: String
        let value: String
        let body: @Sendable (inout StoreOptions) -> Void
        var testDescription: String { "\(name) = \(value)" }

        init<Value: Sendable>(
            _ name: String, _ path: any WritableKeyPath<StoreOptions, Value> & Sendable,
            _ value: Value
        ) {
            self.name = name
            self.value = "\(value)"
            body = { $0[keyPath: path] = value }
        }
    }

    static let wrong: [Change] =
        [Int.min, -1, 0, 4095, 256 << 20 + 1, .max].map {
            Change("segmentSize", \.segmentSize, $0)
        }
        + [Int.min, -1].map { Change("checkpointEntries", \.checkpointEntries, $0) }
        + [Double.nan, .infinity, -.infinity, -1, 0, 0.99, 1e300].flatMap {
            [
                Change("startAmplification", \.compaction.startAmplification, $0),
                Change("maxAmplification", \.compaction.maxAmplification, $0),
            ]
        }
        + [Change("maxAmplification", \.compaction.maxAmplification, 1.4)]
        + [Int.min, -1, .max].map { Change("minDeadBytes", \.compaction.minDeadBytes, $0) }
        + [Int.min, -1].map { Change("bytesPerSecond", \.compaction.bytesPerSecond, $0) }

    @Test("that mean nothing are refused before anything is touched", arguments: wrong)
    func refused(change: Change) throws {
        let folder = try TemporaryFolder(isInMemory: true)
        let path = folder.path("store")
        for access in [StoreOptions.Access.readWrite, .readOnly] {
            var options = StoreOptions.small(access: access)
            change.body(&options)
            guard
                case .invalidOption(change.name, _)? = storeError({
                    try Store(path: path, options: options)
                })
            else {
                Issue.record("taken")
                continue
            }
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    static let right: [Change] =
        [4096, 256 << 20].map { Change("segmentSize", \.segmentSize, $0) }
        + [0, Int.max].map { Change("checkpointEntries", \.checkpointEntries, $0) }
        + [1, 1000].map {
            Change("maxAmplification", \.compaction, CompactionPolicy.both($0))
        }
        + [0, 1 << 50].map { Change("minDeadBytes", \.compaction.minDeadBytes, $0) }
        + [0, 1, Int.max].map { Change("bytesPerSecond", \.compaction.bytesPerSecond, $0) }

    @Test("at the ends of their ranges work", arguments: right)
    func taken(change: Change) throws {
        let folder = try TemporaryFolder(isInMemory: true)
        var options = StoreOptions.small()
        change.body(&options)
        let store = try Store(path: folder.path("store"), options: options)
        for number in 0..<100 { try store.set("\(number)", forKey: "key \(number % 7)") }
        try store.wakeBackground()
        try store.sealActive()
        #expect(try store.statistics().count == 7)
        try store.close()
    }
}

extension CompactionPolicy {
    fileprivate static func both(_ amplification: Double) -> CompactionPolicy {
        var policy = CompactionPolicy()
        policy.startAmplification = amplification
        policy.maxAmplification = amplification
        return policy
    }
}
