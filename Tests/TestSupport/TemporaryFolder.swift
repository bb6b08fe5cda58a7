package import Foundation

/// A folder that is removed when the test is done with it.
package final class TemporaryFolder: Sendable {
    package let url: URL

    /// - Parameter isInMemory: on a file system without a disk, where there is one: for tests that
    ///   open a store thousands of times.
    package init(isInMemory: Bool = false) throws {
        let memory = URL(fileURLWithPath: "/dev/shm")
        let isThere = FileManager.default.isWritableFile(atPath: memory.path)
        url = (isInMemory && isThere ? memory : FileManager.default.temporaryDirectory)
            .appendingPathComponent("stave-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    package func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}
