internal import NIOCore

/// The tunnels of one account towards one receiver: they share its turn.
final class AccountTurns<Batch: QueuedBatch>: TurnTaker {
    let id: Int
    /// How many tunnels there are.
    var tunnelCount = 0
    /// Those that have something to send.
    var round = TurnRing<TunnelQueue<Batch>>()
    var deficit = 0
    var hasTurn = false

    init(id: Int) { self.id = id }

    /// What its tunnels send next.
    func take(quantumByteCount: Int, at now: NIODeadline) -> (
        queue: TunnelQueue<Batch>, taken: TunnelQueue<Batch>.Taken
    )? {
        while let queue = round.current(quantumByteCount: quantumByteCount) {
            switch queue.take(within: deficit, at: now) {
            case .overdrawn:
                round.pass()
            case .empty, .uncredited:
                round.rest()
            case .paced(let ready):
                round.leave()
                return (queue, .paced(until: ready))
            case .batch(let batch):
                deficit -= batch.turnByteCount
                return (queue, .batch(batch))
            case let taken:
                return (queue, taken)
            }
        }
        return nil
    }

    /// Takes a tunnel out.
    func remove(_ queue: TunnelQueue<Batch>) {
        tunnelCount -= 1
        round.remove(queue)
    }
}
