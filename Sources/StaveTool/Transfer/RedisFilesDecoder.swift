internal import Glibc
internal import StaveDisk

/// The files of an append-only directory one after the other: the base, then the increments. The
/// manifest has a line for each: `file NAME seq N type b|i|h`, where h is one that is no longer
/// needed.
final class RedisFilesDecoder: RecordDecoder {
    let remarks = TransferRemarks()
    private let paths: [String]
    private let choice: DatabaseChoice
    private var current: RESPDecoder?
    private var nextPath = 0
    /// Bytes of the files before the current one.
    private var before = 0
    private let total: Int

    /// - Parameter path: of the manifest, or of the directory that holds it.
    init(path: String, _ choice: DatabaseChoice) throws(TransferError) {
        let manifest = try Self.manifest(at: path)
        let slash = manifest.lastIndex(of: "/")
        let folder = slash.map { String(manifest[...$0]) } ?? ""
        let source = try ByteSource(path: manifest)
        var bases: [String] = []
        var increments: [String] = []
        var line: [UInt8] = []
        while try source.readLine(&line) {
            let words = String(decoding: line, as: UTF8.self).split(separator: " ").map(String.init)
            if words.isEmpty || words[0].hasPrefix("#") { continue }
            guard words.count >= 6, words[0] == "file", words[4] == "type",
                !words[1].contains("/"), !words[1].hasPrefix("\"")
            else { throw source.wrong("this is no line `file NAME seq N type b|i|h`") }
            switch words[5] {
            case "b": bases.append(folder + words[1])
            case "i": increments.append(folder + words[1])
            case "h": break
            default: throw source.wrong("there is no type \(Quoting.message(words[5])) of files")
            }
        }
        paths = bases + increments
        total = paths.reduce(0) { $0 + ((try? File.opening($1).size()) ?? 0) }
        self.choice = choice
    }

    static func isManifest(_ path: String) -> Bool { path.hasSuffix(".manifest") }

    private static func manifest(at path: String) throws(TransferError) -> String {
        if isManifest(path) { return path }
        do throws(FileError) {
            let names = try Directory(path: path).names().filter(isManifest)
            guard names.count == 1 else {
                throw FileError(
                    "import", path, reason: "it holds \(names.count) files NAME.manifest, not one")
            }
            return path + "/" + names[0]
        } catch {
            throw TransferError(message: error.description, isFatal: true)
        }
    }

    var place: String { current?.place ?? "" }
    var progress: (done: Int, total: Int?) { (before + (current?.progress.done ?? 0), total) }

    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        while true {
            if let current {
                if try current.next(&record) { return true }
                before += current.progress.done
                self.current = nil
                record.clear()
            }
            guard nextPath < paths.count else { return false }
            nextPath += 1
            current = RESPDecoder(
                try ByteSource(path: paths[nextPath - 1]), choice, remarks: remarks)
        }
    }
}
