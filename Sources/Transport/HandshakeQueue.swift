internal import NIOCore
internal import PortalCore

/// The handshakes of one event loop, each step when its turn has come.
final class HandshakeQueue {
    /// Told whether it is its turn, or that there is no room for it.
    typealias Waiter = (_ isGranted: Bool) -> Void

    private let eventLoop: any EventLoop
    private var turns: HandshakeTurns<Waiter>
    private var isScheduled = false

    /// Nobody waits.
    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        turns = HandshakeTurns(at: .now())
    }

    /// Whether somebody new would wait too long.
    func isTooLong(for source: SourceAddress) -> Bool {
        turns.wait(of: source) >= HandshakeTurns<Waiter>.patience
    }

    /// Waits for a turn.
    func append(_ waiter: @escaping Waiter, from source: SourceAddress) {
        if let dropped = turns.append(waiter, from: source) { dropped(false) }
        schedule()
    }

    private func schedule() {
        guard !isScheduled, let turn = turns.nextTurn else { return }
        isScheduled = true
        // Never at once: who asks is in the midst of a round of its own.
        eventLoop.assumeIsolated().scheduleTask(deadline: turn) { [weak self] () -> Void in self?.run() }
    }

    private func run() {
        isScheduled = false
        var now = NIODeadline.now()
        while let waiter = turns.next(at: now) {
            let began = now
            waiter(true)
            now = .now()
            turns.took(now - began, until: now)
        }
        schedule()
    }
}

@available(*, unavailable)
extension HandshakeQueue: Sendable {}
