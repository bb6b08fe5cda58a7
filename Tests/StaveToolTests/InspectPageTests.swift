import Foundation
import FoundationXML
import Glibc
import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

@Suite("The inspector's page")
struct InspectPageTests {
    let folder: TemporaryFolder
    let store: String

    init() throws {
        folder = try TemporaryFolder()
        store = folder.path("store")
        unsafe mkdir(store, 0o700)
    }

    private func write(_ small: SmallStore) {
        for (name, bytes) in small.files { folder.write(bytes, to: "store/" + name) }
    }

    private func inspect(_ arguments: String...) throws -> InspectRun {
        try InspectRun(["store"] + arguments, in: folder)
    }

    /// In a browser the bar of a store of ten gigabytes was four pixels wide.
    @Test("A bar of any number of bytes is drawn in numbers that browsers can hold")
    func bars() {
        for parts in [
            [10_744_135_680, 1_146_880, 3280, 0, 6], [1, 1, 1], [7], [0], [], [1 << 50],
        ] {
            let places = Drawing.places(of: parts)
            var end = 0
            for (place, part) in zip(places, parts) {
                #expect(place.lowerBound == end)
                #expect(place.isEmpty || part > 0)
                end = place.upperBound
            }
            #expect(end == (parts.reduce(0, +) > 0 ? Drawing.units : 0))
        }
        #expect(Drawing.units < 1 << 25)
    }

    private func page() -> String { String(decoding: folder.read("page.html"), as: UTF8.self) }

    /// Tags, attributes and texts; throws where it is not well-formed.
    private final class Reader: NSObject, XMLParserDelegate {
        var tags: Set<String> = []
        var texts: [String] = []
        var attributes: [String: Set<String>] = [:]

        init(_ text: String) throws {
            super.init()
            let parser = XMLParser(data: Data(text.utf8))
            parser.delegate = self
            if !parser.parse() { throw parser.parserError ?? CocoaError(.fileReadCorruptFile) }
        }

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
            qualifiedName: String?, attributes members: [String: String]
        ) {
            tags.insert(name)
            for (key, value) in members { attributes[key, default: []].insert(value) }
        }

        func parser(_ parser: XMLParser, foundCharacters text: String) { texts.append(text) }
    }

    @Test("It is well-formed, holds nothing from elsewhere, and no values")
    func wellFormed() throws {
        write(SmallStore())
        #expect(try inspect("--html", "page.html").status == 0)
        let reader = try Reader(page())
        #expect(reader.tags.isSuperset(of: ["svg", "path", "rect", "table", "style", "h1"]))
        #expect(reader.tags.isDisjoint(with: ["script", "link", "img", "iframe", "object"]))
        #expect(reader.attributes.keys.allSatisfy { !$0.hasPrefix("on") && $0 != "src" })
        #expect(!page().contains("http://") && !page().contains("https://"))
        #expect(!page().contains("url("))
        #expect(page().contains("prefers-color-scheme:dark"))
        #expect(!page().contains("dark red") && !page().contains("0123456789012"))
        let texts = reader.texts.joined(separator: "\n")
        #expect(texts.contains("clean as far as it was read"))
        #expect(texts.contains("0000000002.segment"))
    }

    @Test(
        "Keys, names and paths are quoted and escaped, whatever they are",
        arguments: ["<script>alert(1)</script>:", "\"><b>:", "&amp;':", "\u{1B}[31m\0:", "]]>:"])
    func escaping(_ prefix: String) throws {
        var small = SmallStore()
        small.active.set(prefix + "x", "v")
        small.active.sync()
        write(small)
        folder.write([1], to: "store/<i>&\u{7}.txt")
        var bytes = folder.read("store/0000000003.segment")
        // A damaged value names its key among the findings.
        let offset = try #require(small.active.records.last?.offset)
        bytes[offset + 28 + prefix.utf8.count + 1] ^= 1
        folder.write(bytes, to: "store/0000000003.segment")
        #expect(try inspect("--html", "page.html", "--verify").status == 1)
        let reader = try Reader(page())
        #expect(reader.tags.isDisjoint(with: ["script", "i"]))
        let word = Printable.quoted(Array(prefix.utf8))
        #expect(reader.texts.joined().contains(word))
        #expect(reader.texts.joined().contains("value of "))
        #expect(!page().contains("\u{1B}") && !page().contains("\0"))
    }

    @Test("It is its owner's alone, or has the permissions of the older one that it replaces")
    func mode() throws {
        write(SmallStore())
        for mode in [0o600, 0o640] {
            #expect(try inspect("--html", "page.html").status == 0)
            let attributes = try FileManager.default.attributesOfItem(
                atPath: folder.path("page.html"))
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == mode)
            folder.write(Array("old".utf8), to: "page.html")
            unsafe chmod(folder.path("page.html"), 0o640)
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(names.sorted() == ["page.html", "store"])
    }

    @Test(
        "It never goes among a store's files",
        arguments: [
            "store/page.html", "store/MANIFEST", "MANIFEST", "0000000001.hint", "./store/x",
            "link/page.html", "store/sub/page.html", "store/../store/page.html", "",
        ])
    func refused(_ target: String) throws {
        write(SmallStore())
        unsafe mkdir(store + "/sub", 0o700)
        folder.makeLink("link", to: "store")
        let before = try StoreFolder.names(store)
        let run = try inspect("--html", target)
        #expect(run.status == 64, "\(run.errors)")
        #expect(run.errors.contains("--html"))
        #expect(try StoreFolder.names(store) == before)
        for (name, bytes) in SmallStore().files { #expect(folder.read("store/" + name) == bytes) }
    }

    @Test("What is no regular file is not written to")
    func strangers() throws {
        write(SmallStore())
        folder.makeFIFO("fifo")
        folder.makeLink("out", to: "store/MANIFEST")
        for name in ["fifo", "out", "/dev/null", "none/page.html"] {
            #expect(try inspect("--html", name).status == 74, "\(name)")
        }
        #expect(folder.read("store/MANIFEST") == SmallStore().manifest.encoded())
    }
}
