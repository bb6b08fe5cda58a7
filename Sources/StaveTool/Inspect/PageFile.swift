internal import StaveDisk

/// Where a page goes: to a file of its own, never among a store's.
enum PageFile {
    /// Refuses, before anything is read, what could touch a store: the inspector changes none.
    static func check(_ path: String, outside directory: String) throws(InspectError) {
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        if path.isEmpty || path.hasSuffix("/") { throw .usage("--html needs the name of a file") }
        if FileName(name) != nil {
            throw .usage("--html: \(Quoting.message(name)) is the name of a store's file")
        }
        let isInside: Bool
        do throws(FileError) {
            isInside = try Directory.isInside(path, directory)
        } catch {
            throw .output(error.description)
        }
        if isInside {
            throw .usage("--html: the file must not lie inside \(Quoting.message(directory))")
        }
        _ = try contents(path)
    }

    static func write(_ text: String, to path: String) throws(InspectError) {
        let bytes = Array(text.utf8)
        let contents = try contents(path)
        do throws(FileError) {
            // SAFETY: the span is borrowed for the call.
            unsafe try contents.write(bytes.span.bytes)
        } catch {
            throw .output(error.description)
        }
    }

    /// A new file is its owner's alone; one that is there keeps its permissions.
    private static func contents(_ path: String) throws(InspectError) -> NewContents {
        do throws(FileError) {
            return try NewContents(for: path, newMode: 0o600)
        } catch {
            throw .output(error.description)
        }
    }
}
