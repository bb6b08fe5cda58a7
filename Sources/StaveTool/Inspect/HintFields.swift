internal import StaveDisk

extension HintImage {
    /// Are the two images the same file, byte for byte? They are wherever the format is kept.
    func hasSameBytes(as other: HintImage) -> Bool {
        unsafe bytes.bytes.differing(from: other.bytes.bytes) == nil
    }

    /// What stands at `offset` of this image, in words: a field of the header, of an entry, of the
    /// index or the checksum (docs/format.md).
    func field(at offset: Int) -> String {
        if offset < Self.headerLength { return Self.headerField(at: offset) }
        let checksum = unsafe bytes.count - 8
        if offset >= checksum { return "the checksum" }
        let index = checksum - count * 4
        if offset >= index { return "the index, of entry \((offset - index) / 4)" }
        guard let (position, start) = entry(at: offset) else { return "the entries" }
        let fields = [
            "sequence", "sequence", "offset", "value length", "key length, kind or flags", "key",
        ]
        let field = fields[min((offset - start) / 4, fields.count - 1)]
        let key = unsafe Printable.quoted(Array(self[position].key), limit: 64)
        return "the entry of \(key): \(field)"
    }

    private static func headerField(at offset: Int) -> String {
        switch offset {
        case ..<8: "the magic"
        case ..<12: "the version"
        case ..<16: "the flags"
        case ..<24: "the identity"
        case ..<32: "the segment length"
        case ..<48: "the sequences"
        case ..<60: "the counts"
        default: "the header's zeros"
        }
    }

    /// The entry that byte `offset` belongs to, and where it starts.
    private func entry(at offset: Int) -> (index: Int, start: Int)? {
        var start = Self.headerLength
        for index in 0..<count {
            let end = unsafe start + 20 + self[index].key.count
            if offset < end { return (index, start) }
            start = end
        }
        return nil
    }
}
