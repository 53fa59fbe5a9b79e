public import NIOCore

/// The tunnels of one account towards one receiver: they share its turn.
@usableFromInline
final class AccountTurns<Batch: QueuedBatch> {
    @usableFromInline let id: Int
    /// How many tunnels there are.
    @usableFromInline var tunnelCount = 0
    /// Those that have something to send.
    @usableFromInline var round = CircularBuffer<TunnelQueue<Batch>>()
    /// Whether the first of `round` was given what it may send in this turn.
    @usableFromInline var isTunnelTurnBegun = false
    /// How much may still be sent in this turn, in bytes.
    @usableFromInline var deficit = 0
    @usableFromInline var hasTurn = false

    @inlinable
    init(id: Int) { self.id = id }

    /// What its tunnels send next.
    @inlinable
    func take(quantumByteCount: Int) -> (queue: TunnelQueue<Batch>, taken: TunnelQueue<Batch>.Taken)? {
        while let queue = round.first {
            if !isTunnelTurnBegun {
                queue.deficit += quantumByteCount
                isTunnelTurnBegun = true
            }
            switch queue.take(within: deficit) {
            case .overdrawn:
                finishTunnelTurn()
                round.append(queue)
            case .empty:
                // What a tunnel did not use up is no claim on later turns.
                finishTunnelTurn()
                queue.deficit = 0
                queue.hasTurn = false
            case .batch(let batch):
                deficit -= batch.turnByteCount
                return (queue, .batch(batch))
            case let taken:
                return (queue, taken)
            }
        }
        return nil
    }

    @inlinable
    func finishTunnelTurn() {
        _ = round.popFirst()
        isTunnelTurnBegun = false
    }

    /// Takes a tunnel out of the round: one that comes and goes leaves nothing behind.
    @inlinable
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
