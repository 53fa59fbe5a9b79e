internal import NIOCore

/// What waits for one tunnel, in order, and how much of it may go in this turn.
///
/// A class, so that a look-up is all that a batch costs: a struct in a dictionary is hashed for at every change.
final class TunnelQueue<Batch: QueuedBatch>: TurnTaker {
    /// What there is to take.
    enum Taken {
        /// The first batch.
        case batch(Batch)
        /// The end, behind which there is nothing.
        case end(message: String?)
        /// More waits than the tunnel's turn allows.
        case overdrawn
        /// More waits than its account's turn allows.
        case accountOverdrawn
        /// More waits than its payer's rate allows before that time; the tunnel has no turn until then.
        case paced(until: NIODeadline)
        /// More waits than its receiver has granted; the tunnel has no turn until it grants more.
        case uncredited
        /// Nothing; the tunnel has no turn until something comes.
        case empty
    }

    struct End {
        let message: String?

        init(message: String?) { self.message = message }
    }

    let flow: TunnelFlow
    /// With whose other tunnels it takes turns.
    let account: AccountTurns<Batch>

    var deficit = 0
    /// How much the receiver takes, in bytes; below 0 where the last packet was a long one.
    private var credit: Int

    var batches = CircularBuffer<Batch>(initialCapacity: 1)
    var end: End?
    var hasTurn = false

    init(flow: TunnelFlow, account: AccountTurns<Batch>, credit: Int = .max) {
        self.flow = flow
        self.account = account
        self.credit = credit
    }

    var isEmpty: Bool { batches.isEmpty && end == nil }

    /// Whether what waits is so little that it goes in front of what others have.
    var isSparse: Bool {
        batches.count <= 1 && (batches.first?.turnByteCount ?? 0) <= TurnRing<TunnelQueue>.sparseByteCount
    }

    func append(_ batch: consuming Batch) {
        guard end == nil else { return }
        if batch.isSmall, joinLast(batch) { return }
        batches.append(batch)
    }

    /// Puts a batch together with the last one; whether that has taken it.
    func joinLast(_ batch: borrowing Batch) -> Bool {
        // Taken out, so that it has one owner: a shared buffer would be copied.
        guard var last = batches.popLast() else { return false }
        let byteCount = last.heldByteCount + batch.heldByteCount
        let hasJoined = last.join(batch)
        if hasJoined { flow.change(by: last.heldByteCount - byteCount) }
        batches.append(last)
        return hasJoined
    }

    func appendEnd(message: String?) {
        if end == nil { end = End(message: message) }
    }

    /// The receiver takes so much more; a hostile one's sum ends somewhere.
    func grant(_ byteCount: Int) { credit = min(credit, Int.max >> 1) + byteCount }

    func take(within accountDeficit: Int, at now: NIODeadline) -> Taken {
        guard let (byteCount, wireByteCount) = batches.first.map({ ($0.turnByteCount, $0.wireByteCount) })
        else {
            if let end { return .end(message: end.message) }
            return .empty
        }
        guard min(wireByteCount, ReceiveWindow.longPacketByteCount) <= credit else {
            return .uncredited
        }
        if let ready = flow.meters.pause(at: now) { return .paced(until: ready) }
        guard byteCount <= deficit else { return .overdrawn }
        guard byteCount <= accountDeficit, let batch = batches.popFirst() else {
            return .accountOverdrawn
        }
        deficit -= byteCount
        if credit < .max { credit -= wireByteCount }
        return .batch(batch)
    }
}
