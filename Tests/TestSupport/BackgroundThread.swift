internal import Foundation

/// A thread that runs one piece of work; `join` waits for its result.
package final class BackgroundThread<Result>: @unchecked Sendable {
    // @unchecked: the result is written before the semaphore is signalled and read after.
    private let done = DispatchSemaphore(value: 0)
    private var result: Swift.Result<Result, any Error>?

    package init(_ body: @escaping () throws -> Result) {
        nonisolated(unsafe) let body = body
        Thread.detachNewThread {
            self.result = Swift.Result { unsafe try body() }
            self.done.signal()
        }
    }

    /// The result. Call it once.
    package func join() throws -> Result {
        done.wait()
        return try result!.get()
    }
}

/// A directory where a file should go.
package enum Obstacle {
    package static func put(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false)
    }

    package static func remove(_ path: String) throws {
        try FileManager.default.removeItem(atPath: path)
    }
}
