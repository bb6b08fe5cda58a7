#if canImport(StaveTool)
    @testable import StaveTool
#endif

/// The decoders of import as a function of any bytes; used by the tests and by `make fuzz`, as
/// `FuzzTarget`.
enum FuzzTransfer {
    private static let formats = TransferFormat.allCases.filter(\.isWritten)

    /// The first byte says which format it is, and whether there is a header.
    static func run(_ input: [UInt8]) {
        guard let mode = input.first else { return }
        let format = formats[Int(mode & 0x7f) % formats.count]
        let layout = TransferLayout(hasHeader: mode & 0x80 != 0)
        let decoder = format.decoder(ByteSource(Array(input.dropFirst()), name: "input"), layout)
        var record = TransferRecord()
        // Each call takes at least a byte, except where a word has several keys.
        for _ in 0..<(2 * input.count + 2) {
            record.clear()
            do throws(TransferError) {
                guard try decoder.next(&record) else { return }
                // Packed strings of a snapshot grow at most by this.
                precondition(record.key.count + record.value.count <= 300 * input.count)
            } catch {
                precondition(!error.message.isEmpty)
                if error.isFatal { return }
            }
        }
        preconditionFailure("the decoder does not come to an end")
    }
}
