internal import Foundation
internal import Synchronization

/// A bar on standard error that shows how much is done; nothing where standard error is no terminal.
final class ProgressBar: Sendable {
    private static let width = 40

    private let total: Int
    private let isShown: Bool
    /// Taken while the command's own task runs: event loops do not know its surroundings.
    private let write = Surroundings.current.complaints
    private let shown = Mutex(-1)

    init(total: Int, isTerminal: Bool = isatty(STDERR_FILENO) == 1) {
        self.total = max(total, 1)
        isShown = isTerminal
    }

    /// Shows that so much is done.
    func show(_ done: Int) {
        guard isShown else { return }
        let percent = min(done, total) * 100 / total
        guard
            shown.withLock({ last in
                defer { last = percent }
                return last != percent
            })
        else { return }
        let filled = percent * Self.width / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: Self.width - filled)
        write("\r[\(bar)] \(percent)%")
    }

    /// Removes the bar.
    func clear() {
        guard isShown, shown.withLock({ $0 }) >= 0 else { return }
        write("\r\u{1B}[K")
    }
}
