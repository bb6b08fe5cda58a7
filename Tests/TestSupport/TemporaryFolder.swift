internal import CLinux
internal import Glibc
internal import StaveDisk

/// A new directory for one test, removed with all in it when the value goes.
package final class TemporaryFolder {
    package let path: String

    package init() {
        var template = Array("/tmp/stave-test-XXXXXX".utf8CString)
        let made = unsafe template.withUnsafeMutableBufferPointer {
            unsafe mkdtemp($0.baseAddress!) != nil
        }
        precondition(made, "a test needs a temporary directory")
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    package func file(_ name: String) -> String { path + "/" + name }

    package func write(_ bytes: [UInt8], to name: String) {
        remove(name)
        let descriptor = unsafe stave_open(file(name), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
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

    package func read(_ name: String) -> [UInt8] {
        guard let file = try? File.opening(file(name)),
            let bytes = try? file.contents(limit: 1 << 30)
        else { return [] }
        return bytes
    }

    package func remove(_ name: String) { Self.remove(file(name)) }
    package func makeFIFO(_ name: String) { unsafe mkfifo(file(name), 0o600) }
    package func makeFolder(_ name: String) { unsafe mkdir(file(name), 0o700) }
    package func makeLink(_ name: String, to target: String) { unsafe symlink(target, file(name)) }

    private static func remove(_ path: String) {
        if unsafe unlink(path) == 0 || errno == ENOENT { return }
        if let directory = try? Directory(path: path), let names = try? directory.names() {
            for name in names { remove(path + "/" + name) }
        }
        unsafe rmdir(path)
    }
}
