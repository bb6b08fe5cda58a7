import StaveDisk
import Testing

@Suite("File names")
struct FileNameTests {
    @Test(
        "Every file of a store has one name, and the name says which file it is",
        arguments: [
            ("MANIFEST", FileName.manifest), ("LOCK", .lock), ("keydir.checkpoint", .checkpoint),
            ("0000000001.segment", .segment(1)), ("9999999999.segment", .segment(9_999_999_999)),
            ("0000000042.hint", .hint(42)), ("MANIFEST.tmp", .temporary("MANIFEST.tmp")),
            ("0000000042.hint.tmp", .temporary("0000000042.hint.tmp")),
            ("keydir.checkpoint.tmp", .temporary("keydir.checkpoint.tmp")),
        ])
    func known(_ name: String, _ file: FileName) {
        #expect(FileName(name) == file)
        #expect(file.name == name)
        #expect(file.temporaryName == name + ".tmp")
    }

    @Test(
        "Any other name is not a store's",
        arguments: [
            "", "manifest", "MANIFEST ", "MANIFEST.old", ".tmp", "x.tmp", "MANIFEST.tmp.tmp",
            "1.segment", "0000000000.segment", "00000000001.segment", "000000001.segment",
            "+000000001.segment", "-000000001.segment", "000000000a.segment", "0000000001.SEGMENT",
            "0000000001.segment~", "0000000001segment", ".segment", "0000000000.hint",
            "\u{661}000000001.hint", "0000000001", "keydir.checkpoint2", "notes.txt",
        ])
    func foreign(_ name: String) {
        #expect(FileName(name) == nil)
    }
}
