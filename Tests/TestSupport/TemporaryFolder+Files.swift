internal import CLinux
internal import Foundation
internal import Glibc
internal import StaveDisk

/// Files of every kind in a test's folder.
extension TemporaryFolder {
    package var path: String { url.path }

    package func write(_ bytes: [UInt8], to name: String) {
        remove(name)
        let descriptor = unsafe stave_open(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        precondition(descriptor >= 0, "cannot write \(name)")
        defer { close(descriptor) }
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done)
            }
            precondition(count > 0, "cannot write \(name)")
            done += count
        }
    }

    /// The file's bytes; none where it cannot be read.
    package func read(_ name: String) -> [UInt8] {
        guard let file = try? File.opening(path(name)),
            let bytes = try? file.contents(limit: 1 << 30)
        else { return [] }
        return bytes
    }

    package func remove(_ name: String) { try? FileManager.default.removeItem(atPath: path(name)) }
    package func makeFIFO(_ name: String) { unsafe mkfifo(path(name), 0o600) }
    package func makeFolder(_ name: String) { unsafe mkdir(path(name), 0o700) }
    package func makeLink(_ name: String, to target: String) { unsafe symlink(target, path(name)) }
}
