internal import Synchronization

/// The person's own programs, where the configuration names them: before the environment's.
enum PreferredPrograms {
    private static let state = Mutex<(pager: String?, editor: String?)>((nil, nil))

    static var pager: String? { state.withLock { $0.pager } }
    static var editor: String {
        state.withLock { $0.editor } ?? Environment.value("VISUAL") ?? Environment.value("EDITOR")
            ?? "vi"
    }

    static func set(pager: String?, editor: String?) {
        state.withLock { $0 = (pager, editor) }
    }
}
