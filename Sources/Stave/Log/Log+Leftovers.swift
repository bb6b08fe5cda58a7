internal import StaveDisk

// Files of the directory that MANIFEST does not name.

extension Log {
    /// Before the first file is made: removes what a crash left half done, and sets aside what MANIFEST
    /// does not name but holds writes that it knows nothing of.
    func clearLeftovers() throws(StoreError) {
        try leftoversLock.withLock { () throws(StoreError) in
            guard mayHaveLeftovers else { return }
            try withFileErrors { () throws(FileError) in
                let leftovers = try leftovers()
                // A power cut must not bring back a MANIFEST that names them.
                if !leftovers.isEmpty { try manifest.makeDurable(in: directory) }
                // One that cannot be cleared away is no part of the store, and nothing uses its name.
                for name in leftovers { try? clear(name) }
            }
            mayHaveLeftovers = false
        }
    }

    private func leftovers() throws(FileError) -> [String] {
        let named = Set(manifest.onDisk.segments.map(\.number))
        return try directory.names().filter { name in
            switch FileName(name) {
            case .segment(let number), .hint(let number): !named.contains(number)
            case .temporary: true
            default: false
            }
        }
    }

    private func clear(_ name: String) throws(FileError) {
        guard case .segment = FileName(name), directory.isRegularFile(name),
            try holdsUnknownWrites(name)
        else { return try directory.remove(name) }
        var aside = name + Self.asideSuffix
        var attempt = 1
        while directory.contains(aside) {
            attempt += 1
            aside = name + Self.asideSuffix + String(attempt)
        }
        try directory.rename(name, to: aside)
        onEvent?(.setAside(file: directory.path(of: aside)))
    }

    /// Ends the name of a file that was set aside: no name of a store's, so that nobody removes it.
    static let asideSuffix = ".aside"

    /// Is this segment of another moment, or of another store? What a crash leaves is a new file without
    /// records, or a compaction's output, whose records are all copies of known ones.
    private func holdsUnknownWrites(_ name: String) throws(FileError) -> Bool {
        let file = try directory.open(name, .read)
        let size = try file.size()
        guard size > SegmentHeader.byteCount, size <= Format.maxFileLength + 4096 else {
            return size > SegmentHeader.byteCount
        }
        let mapping = try Mapping(file, count: size, isWritable: false)
        // SAFETY: the file has `size` bytes, and only its writer, which we are, would cut it.
        let bytes = unsafe mapping.bytes.bytes
        guard let header = try? SegmentHeader(decoding: bytes),
            header.storeID == manifest.current.storeID
        else { return bytes.lastNonZero(from: 0) != nil }
        var walk = SegmentWalk(identity: header.identity, rule: .unmarked)
        while let item = walk.next(in: bytes) {
            if case .record(_, let header, _) = item, header.sequence >= firstUnknownSequence {
                return true
            }
        }
        return false
    }
}
