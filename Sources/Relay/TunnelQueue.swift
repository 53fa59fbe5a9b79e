internal import NIOCore

/// What waits for one tunnel, in order, and how much of it may go in this turn.
///
/// A class, so that a look-up is all that a batch costs: a struct in a dictionary is hashed for at every change.
final class TunnelQueue<Batch> {
    /// What there is to take.
    enum Taken {
        /// The first batch, and since when the one behind it waits.
        case batch(Batch, byteCount: Int, next: NIODeadline?)
        /// The end, behind which there is nothing.
        case end(message: String?)
        /// More waits than this turn allows.
        case overdrawn
        /// Nothing; the tunnel has no turn until something comes.
        case empty
    }

    private struct Entry {
        let batch: Batch
        let byteCount: Int
        let since: NIODeadline
    }

    private struct End {
        let message: String?
    }

    let flow: TunnelFlow

    /// How much may still be sent in this turn, in bytes.
    var deficit = 0

    private var entries = CircularBuffer<Entry>()
    private var end: End?
    private var hasTurn = false

    init(flow: TunnelFlow) { self.flow = flow }

    var isEmpty: Bool { entries.isEmpty && end == nil }

    func append(_ batch: consuming Batch, byteCount: Int, at now: NIODeadline) {
        guard end == nil else { return }
        entries.append(Entry(batch: batch, byteCount: byteCount, since: now))
    }

    func appendEnd(message: String?) {
        if end == nil { end = End(message: message) }
    }

    /// Whether the tunnel has to be put among those that have a turn.
    func activate() -> Bool {
        defer { hasTurn = true }
        return !hasTurn
    }

    func take() -> Taken {
        guard let byteCount = entries.first?.byteCount else {
            if let end { return .end(message: end.message) }
            // What a tunnel did not use up is no claim on later turns.
            deficit = 0
            hasTurn = false
            return .empty
        }
        guard byteCount <= deficit, let entry = entries.popFirst() else { return .overdrawn }
        deficit -= byteCount
        return .batch(entry.batch, byteCount: byteCount, next: entries.first?.since)
    }
}
