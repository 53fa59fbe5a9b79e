public import NIOCore

/// What waits for one tunnel, in order, and how much of it may go in this turn.
///
/// A class, so that a look-up is all that a batch costs: a struct in a dictionary is hashed for at every change. And
/// inlinable, like its owner, so that both are made for the batches of whoever uses them: generic ones look their types
/// up at every step.
@usableFromInline
final class TunnelQueue<Batch> {
    /// What there is to take.
    @usableFromInline
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

    @usableFromInline
    struct Entry {
        @usableFromInline let batch: Batch
        @usableFromInline let byteCount: Int
        @usableFromInline let since: NIODeadline

        @inlinable
        init(batch: Batch, byteCount: Int, since: NIODeadline) {
            self.batch = batch
            self.byteCount = byteCount
            self.since = since
        }
    }

    @usableFromInline
    struct End {
        @usableFromInline let message: String?

        @inlinable
        init(message: String?) { self.message = message }
    }

    @usableFromInline let flow: TunnelFlow

    /// How much may still be sent in this turn, in bytes.
    @usableFromInline var deficit = 0

    @usableFromInline var entries = CircularBuffer<Entry>()
    @usableFromInline var end: End?
    @usableFromInline var hasTurn = false

    @inlinable
    init(flow: TunnelFlow) { self.flow = flow }

    @inlinable
    var isEmpty: Bool { entries.isEmpty && end == nil }

    @inlinable
    func append(_ batch: consuming Batch, byteCount: Int, at now: NIODeadline) {
        guard end == nil else { return }
        entries.append(Entry(batch: batch, byteCount: byteCount, since: now))
    }

    @inlinable
    func appendEnd(message: String?) {
        if end == nil { end = End(message: message) }
    }

    /// Whether the tunnel has to be put among those that have a turn.
    @inlinable
    func activate() -> Bool {
        defer { hasTurn = true }
        return !hasTurn
    }

    @inlinable
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
