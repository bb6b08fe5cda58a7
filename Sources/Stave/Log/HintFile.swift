internal import StaveDisk

/// Reading a sealed segment's hint file.
enum HintFile {
    /// Why a hint file is not used.
    struct Problem: Error {
        var file: String
        var reason: String
    }

    /// The hint of `segment`, whole and its own; nil where there is none.
    static func read(
        of segment: Segment, in directory: borrowing Directory
    ) throws(Problem) -> HintImage? {
        let name = FileName.hint(segment.number).name
        let mapping: Mapping
        do throws(FileError) {
            let file = try directory.open(name, .read)
            let size = try file.size()
            guard size > 0 else { throw FileError("use", file.path, reason: "it is empty") }
            // An entry is shorter than its record, except for its place in the index.
            guard size <= segment.end + HintImage.emptyLength else {
                throw FileError("use", file.path, reason: "\(size) bytes are more than it can have")
            }
            mapping = try Mapping(file, count: size, isWritable: false)
        } catch {
            if error.isNoSuchFile { return nil }
            throw Problem(file: error.path, reason: error.reason)
        }
        do throws(FormatError) {
            return unsafe try HintImage(
                decoding: mapping.bytes, keeping: mapping, identity: segment.identity,
                segmentLength: segment.end)
        } catch {
            throw Problem(file: directory.path(of: name), reason: error.reason)
        }
    }
}
