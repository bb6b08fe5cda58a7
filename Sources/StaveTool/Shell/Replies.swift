/// Replies that a program reads. Under `--format json` each is an object on a line: what a command
/// has to say, and its error as well, so that a program finds an answer to every command.
extension Session {
    /// - Parameter member: what takes the line's place under `--format json`.
    @inline(__always)
    func reply(_ line: String, as member: @autoclosure () -> (String, JSON)) {
        guard case .json = settings.format else { return output.write(line: line) }
        output.write(line: JSON.object([member()]).text)
    }

    func reply(_ json: JSON) { output.write(line: json.text) }

    func reply(count: Int) { reply("\(count)", as: ("count", .number(count))) }

    func acknowledge(count: Int) { if !settings.quiet { reply(count: count) } }

    /// Text of several lines.
    func reply(text: String) {
        guard settings.format == .json else { return output.write(text) }
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if !line.isEmpty { reply(String(line)) }
        }
    }

    /// `{"key":...,"value":null}`.
    func replyMissing(_ key: UnsafeRawBufferPointer) {
        output.write(UInt8(ascii: "{"))
        // SAFETY: the key's bytes are only read.
        unsafe JSON.writeMember("key", key) { output.write($0) }
        output.write(line: ",\"value\":null}")
    }

    /// Besides what stderr says to people.
    func replyError(_ message: String, _ place: [(String, JSON)] = []) {
        guard settings.format == .json, self.place != .prompt else { return }
        reply(.object([("error", .string(message))] + place))
    }

    func reportUnfit(_ key: [UInt8]) {
        reportedErrorCount += 1
        note("raw0 cannot hold a NUL, and \(Quoting.text(key)) or its value has one")
    }
}
