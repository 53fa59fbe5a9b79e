internal import NIOCore

/// The tunnels of one account towards one receiver: they share its turn.
final class AccountTurns<Batch: QueuedBatch> {
    let id: Int
    /// How many tunnels there are.
    var tunnelCount = 0
    /// Those that have something to send.
    var round = CircularBuffer<TunnelQueue<Batch>>(initialCapacity: 1)
    /// Whether the first of `round` was given what it may send in this turn.
    var isTunnelTurnBegun = false
    /// How much may still be sent in this turn, in bytes.
    var deficit = 0
    var hasTurn = false

    init(id: Int) { self.id = id }

    /// What its tunnels send next.
    func take(quantumByteCount: Int, at now: NIODeadline) -> (
        queue: TunnelQueue<Batch>, taken: TunnelQueue<Batch>.Taken
    )? {
        while let queue = round.first {
            if !isTunnelTurnBegun {
                queue.deficit += quantumByteCount
                isTunnelTurnBegun = true
            }
            switch queue.take(within: deficit, at: now) {
            case .overdrawn:
                finishTunnelTurn()
                round.append(queue)
            case .empty, .uncredited:
                // What a tunnel did not use up is no claim on later turns.
                finishTunnelTurn()
                queue.deficit = 0
                queue.hasTurn = false
            case .paced(let ready):
                finishTunnelTurn()
                queue.deficit = 0
                queue.hasTurn = false
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

    func finishTunnelTurn() {
        _ = round.popFirst()
        isTunnelTurnBegun = false
    }

    /// Takes a tunnel out of the round: one that comes and goes leaves nothing behind.
    func remove(_ queue: TunnelQueue<Batch>) {
        tunnelCount -= 1
        guard queue.hasTurn else { return }
        if round.first === queue {
            finishTunnelTurn()
        } else {
            round.removeAll { $0 === queue }
        }
    }
}
