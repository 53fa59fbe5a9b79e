internal import Cluster
internal import Logging
internal import NIOCore
internal import Synchronization

/// What a portal's operator reads of what happens among its machines.
///
/// Messages that do not open may come as fast as somebody likes; they are counted, and said once an hour together.
final class ClusterLog: Sendable {
    private let logger: Logger
    private let troubles: TroubleLog
    private let forgeries: TroubleLog
    private let forgedCount = Atomic(0)

    init(logger: Logger) {
        self.logger = logger
        troubles = TroubleLog(logger)
        forgeries = TroubleLog(logger)
    }

    /// Writes an event down.
    func note(_ event: ClusterEvent) {
        switch event {
        case .joined(let machine, let address):
            logger.notice(
                "cluster: a machine is there",
                metadata: ["machine": "\(machine.text)", "address": "\(address)"])
        case .suspect(let machine):
            logger.warning("cluster: nothing is heard of a machine", metadata: ["machine": "\(machine.text)"])
        case .recovered(let machine):
            logger.notice("cluster: a machine is heard again", metadata: ["machine": "\(machine.text)"])
        case .gone(let machine):
            logger.notice("cluster: a machine is gone", metadata: ["machine": "\(machine.text)"])
        case .clocksApart(let machine, let milliseconds):
            logger.error(
                "cluster: another machine has another clock",
                metadata: [
                    "machine": "\(machine.text)", "ahead": "\(milliseconds) ms",
                    "remedy": "set both by NTP: 10 s apart is too much",
                ])
        case .serving: logger.notice("cluster: this machine serves")
        case .notServing:
            logger.error(
                "cluster: this machine does not serve, because its clock is not the others'",
                metadata: ["remedy": "set the clock; it goes on by itself"])
        }
    }

    /// Says what is odd about how things are, once an hour while it is so.
    func look(at snapshot: ClusterSnapshot) {
        if snapshot.forgedCount > forgedCount.exchange(snapshot.forgedCount, ordering: .relaxed) {
            forgeries.say(
                .warning, "cluster: messages of others come and do not open",
                reason: "\(snapshot.forgedCount) so far",
                as: "forged")
        }
        if snapshot.machines.isEmpty, snapshot.engine.isConnected, snapshot.isServing {
            troubles.say(
                .notice, "cluster: no other machine answers",
                reason: "it is the only one, or the others have another key, NATS account or network",
                as: "alone")
        }
        if !snapshot.machines.isEmpty { troubles.end() }
    }
}
