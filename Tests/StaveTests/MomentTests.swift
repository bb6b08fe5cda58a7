import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// What people do with a store's files: copy a backup back, refresh a copy from a store that lived
/// on, forget a file, leave one behind. The files of two moments, or of two clones, then lie in one
/// directory.
///
/// It must open as one of the moments, or as the store was between them, or say that something is
/// wrong; never as a mixture, and the next write and compaction must not take what it still shows.
@Suite("Files of two moments in one directory")
struct MomentTests {
    private typealias State = [[UInt8]: [UInt8]]

    private struct Moment {
        var name: String
        /// States of its own history, up to this moment.
        var states: [State]
        /// The line of life: a store, or a clone of it.
        var line: String
        var folder: String
    }

    private let folder: TemporaryFolder
    private var moments: [Moment] = []
    private let history = History.random(500, keys: 40, seed: 3)

    /// - A store that was closed, lived on, was compacted, and was killed.
    /// - A clone of its first moment that made as many other writes, of the same lengths.
    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        try live("a", from: nil, 0..<60, "closed")
        try live("a", from: 0, 60..<300, "closed")
        try live("a", from: 1, 300..<380, "compacted")
        try live("a", from: 2, 380..<500, "killed")
        try live("b", from: 0, 60..<300, "closed", asOther: true)
        try live("b", from: 4, 300..<500, "compacted", asOther: true)
    }

    private static var options: StoreOptions {
        var options = StoreOptions.small()
        options.checkpointEntries = 0
        options.compaction.isAutomatic = false
        return options
    }

    private mutating func live(
        _ line: String, from start: Int?, _ writes: Range<Int>, _ end: String,
        asOther: Bool = false
    ) throws {
        let (name, live) = ("\(line)\(moments.count)", folder.path("live"))
        try? FileManager.default.removeItem(atPath: live)
        if let start { try StoreFolder.copy(moments[start].folder, to: live) }
        var states = start.map { moments[$0].states } ?? [[:]]
        let store = try Store(path: live, options: Self.options)
        for write in history.writes[writes] {
            var state = states.last!
            let key = Array(write.key.utf8)
            let value = write.value.map { Array((asOther ? "w" + $0.dropFirst() : $0).utf8) }
            if let value {
                try store.set(value, forKey: key)
            } else {
                try store.removeValue(forKey: key)
            }
            state[key] = value
            states.append(state)
        }
        if end == "compacted" { _ = try store.compact() }
        try store.sync()
        if end == "killed" { try store.copyAsKilled(to: folder.path(name)) }
        try store.close()
        if end != "killed" { try StoreFolder.copy(live, to: folder.path(name)) }
        moments.append(
            Moment(name: name, states: states, line: line, folder: folder.path(name)))
    }

    private static func isOptional(_ name: String) -> Bool {
        name.hasSuffix(".hint") || name == FileName.checkpoint.name
    }

    /// Which files of the second moment come over those of the first.
    private func overlays(_ names: [String]) -> [(String, [String])] {
        var all: [(String, [String])] = [
            ("all", names), ("all but optional ones", names.filter { !Self.isOptional($0) }),
            ("only optional ones", names.filter(Self.isOptional)),
        ]
        for name in names {
            all.append((name, [name]))
            all.append(("all but \(name)", names.filter { $0 != name }))
        }
        return all
    }

    @Test("Any files of one moment over those of another", arguments: 0..<6)
    func mixtures(_ first: Int) throws {
        let copy = folder.path("copy")
        for second in moments.indices where second != first {
            let (one, other) = (moments[first], moments[second])
            for (what, names) in overlays(try StoreFolder.names(other.folder)) {
                for isBare in [false, true] {
                    try StoreFolder.copy(one.folder, to: copy)
                    for name in names {
                        try StoreFolder.write(
                            StoreFolder.bytes(other.folder, name), copy, name)
                    }
                    let here = try StoreFolder.names(copy)
                    for name in here where isBare && Self.isOptional(name) {
                        try StoreFolder.remove(copy, name)
                    }
                    try check(copy, [one, other], "\(what) of \(other.name) over \(one.name)")
                }
            }
        }
    }

    private func check(_ path: String, _ mixed: [Moment], _ what: String) throws {
        // No older than what both had.
        let common = zip(mixed[0].states, mixed[1].states).prefix { $0 == $1 }.count
        let floor = mixed[0].line == mixed[1].line ? mixed.map(\.states.count).min()! : common
        let allowed = mixed.flatMap { $0.states[(floor - 1)...] }
        var shown: State?
        _ = storeError {
            let reader = try Store(path: path, options: .reading)
            let found = try reader.dictionary()
            if reader.notices.isEmpty {
                #expect(allowed.contains(found), "\(what): a mixture, without a word")
                #expect(try reader.gets(history.keys) == found, "\(what): get and scan differ")
                #expect(reader.count == found.count, "\(what): count and scan differ")
                shown = found
            }
            try reader.close()
        }
        guard var wanted = shown else { return }
        let store = try Store(path: path, options: Self.options)
        try store.set("x", forKey: "after")
        _ = try store.compact()
        try store.close()
        wanted[Array("after".utf8)] = Array("x".utf8)
        let again = try Store(path: path, options: Self.options)
        #expect(try again.dictionary() == wanted, "\(what): less is there after a write")
        #expect(try again.verify().isClean, "\(what)")
        try again.close()
    }

    @Test("A file of its own or of another store in a segment's place is refused")
    func foreign() throws {
        let stranger = folder.path("stranger")
        let store = try Store(path: stranger, options: Self.options)
        try history.play(on: store)
        try store.close()
        let source = moments[1].folder
        let segments = try StoreFolder.segments(source)
        for name in segments {
            var others = segments.filter { $0 != name }.map { (source, $0) }
            if try StoreFolder.names(stranger).contains(name) { others.append((stranger, name)) }
            for (path, other) in others {
                let copy = folder.path("copy")
                try StoreFolder.copy(source, to: copy)
                try StoreFolder.write(StoreFolder.bytes(path, other), copy, name)
                for options in [Self.options, .reading] {
                    let error = storeError { try Store(path: copy, options: options) }
                    #expect(error?.description.contains(name) == true, "\(other) as \(name)")
                }
            }
        }
    }

    @Test("A segment that MANIFEST does not name and that holds later writes is set aside")
    func setAside() throws {
        let copy = folder.path("copy")
        try StoreFolder.copy(moments[1].folder, to: copy)
        for name in try StoreFolder.names(moments[0].folder) {
            try StoreFolder.write(StoreFolder.bytes(moments[0].folder, name), copy, name)
        }
        let before = Set(try StoreFolder.segments(copy))
        let store = try Store(path: copy, options: Self.options)
        #expect(try store.dictionary() == moments[0].states.last!)
        #expect(Set(try StoreFolder.segments(copy)) == before, "opening changes nothing")
        try store.set("x", forKey: "after")
        try store.close()
        let aside = try StoreFolder.names(copy).filter { $0.hasSuffix(".segment.aside") }
        #expect(!aside.isEmpty)
        for name in aside {
            let old = String(name.dropLast(".aside".count))
            #expect(
                try StoreFolder.bytes(copy, name) == StoreFolder.bytes(moments[1].folder, old))
        }
    }
}
