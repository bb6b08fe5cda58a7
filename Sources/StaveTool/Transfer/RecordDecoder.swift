/// Reads the records of a format one after the other.
protocol RecordDecoder: AnyObject {
    var remarks: TransferRemarks { get }

    /// Reads the next record into `record`, which is clear; false at the end.
    ///
    /// - Throws: what is wrong with the record. The next call goes on behind it, except after a
    ///   fatal error.
    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool

    /// Where the last record was, for messages.
    var place: String { get }

    /// How far it is, and of how much where that is known, in bytes.
    var progress: (done: Int, total: Int?) { get }
}

extension TransferFormat {
    /// What reads one file or pipe of the format, which bitcask is not.
    func decoder(_ source: ByteSource, _ layout: TransferLayout) -> any RecordDecoder {
        switch self {
        case .jsonl: JSONLinesDecoder(source, layout)
        case .csv: SeparatedDecoder(source, separator: Byte.comma, layout)
        case .tsv: SeparatedDecoder(source, separator: Byte.tab, layout)
        case .raw0: NulDecoder(source)
        case .quoted: QuotedDecoder(source)
        case .resp: RESPDecoder(source, DatabaseChoice(layout.database))
        case .rdb: RDBDecoder(source, DatabaseChoice(layout.database))
        case .mdb, .db: DumpDecoder(source, layout)
        case .gdbm: GDBMDecoder(source)
        case .ldb: HexDecoder(source)
        case .bitcask: preconditionFailure("bitcask is a directory")
        }
    }
}
