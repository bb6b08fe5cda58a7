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
            isInside = try OutputFile.isInside(path, directory)
        } catch {
            throw .output(error.description)
        }
        if isInside {
            throw .usage("--html: the file must not lie inside \(Quoting.message(directory))")
        }
    }

    static func write(_ text: String, to path: String) throws(InspectError) {
        do throws(FileError) {
            try OutputFile.replace(path, with: Array(text.utf8))
        } catch {
            throw .output(error.description)
        }
    }
}
