/// What people type who know another store's shell, and what there is instead.
enum ForeignWords {
    static func advice(for word: Word) -> String? {
        guard unsafe word.bytes.count <= 16 else { return nil }
        if unsafe word.bytes.first == UInt8(ascii: "!") {
            return "!PROGRAM in a script needs --allow-shell"
        }
        switch word.string.lowercased() {
        case "expire", "ttl", "persist", "setex":
            return "keys do not expire here; delete KEY removes one"
        case "dump", "save", "backup":
            return "export --to FORMAT > FILE writes all entries;"
                + " stave backup DIR NEWDIR copies the store"
        case "load", "restore":
            return "import FILE --from FORMAT takes keys and values;"
                + " what stave backup made is a store: stave NEWDIR"
        case "open", "use", "select", "connect":
            return "a shell has one store; leave it, then: stave DIR"
        case "flushall", "flushdb", "drop", "truncate":
            return "there is no command that deletes all; keys shows what delete is to be given"
        case "select*", "insert", "update": return "there is no SQL here; get, set and scan do it"
        default: return nil
        }
    }
}
