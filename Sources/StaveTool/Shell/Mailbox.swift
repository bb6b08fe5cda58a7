internal import Stave
internal import Synchronization

/// What the background has to say, on its way to the thread that talks to the person. `receive`
/// runs on a thread of the store: it only queues the message and wakes the other side.
final class Mailbox: Sendable {
    private struct State {
        var messages: [String] = []
        /// The last failure that was told; the same one is not told again before a success.
        var lastFailure: String?
    }

    /// A compaction that freed less is no news.
    private static let notableBytes = 1 << 20

    private let state = Mutex(State())
    private let isInteractive: Bool

    /// - Parameter isInteractive: also tells successes; a script hears of the first failure only.
    init(isInteractive: Bool) { self.isInteractive = isInteractive }

    func receive(_ event: StoreEvent) {
        let isNews = state.withLock { state in
            switch event {
            case .compacted(let report):
                guard isInteractive else { return false }
                state.lastFailure = nil
                guard report.freedBytes > Self.notableBytes else { return false }
                state.messages.append("compaction freed \(Units.bytes(report.freedBytes))")
            case .hintRebuilt(let file, let reason):
                state.messages.append(
                    Self.printable("\(file) did not check out (\(reason)) and was made again"))
            case .setAside(let file):
                state.messages.append(
                    Self.printable(
                        "MANIFEST does not name a segment with writes that it does not know: it is"
                            + " \(file) now"))
            case .threadFailed(let work, let error):
                state.messages.append(Self.printable(work.message(of: error)))
            case .writingEnded(let error):
                // A script is told by its next command, or at its end.
                if !isInteractive { return false }
                state.messages.append(Self.printable(error.description))
            case .compactionFailed(let error):
                let text = error.description
                guard state.lastFailure.map({ isInteractive && $0 != text }) ?? true else {
                    return false
                }
                state.lastFailure = text
                state.messages.append("compaction failed: " + Self.printable(text))
            }
            return true
        }
        if isNews { Signals.wake() }
    }

    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter(UTF8Scan.isPrintable)))
    }

    var isEmpty: Bool { state.withLock { $0.messages.isEmpty } }

    /// Empties it, oldest message first.
    func take() -> [String] {
        state.withLock { state in
            defer { state.messages = [] }
            return state.messages
        }
    }
}
