public import NIOCore

/// What waits to be sent on one connection: a queue per tunnel, served in turns of the same size.
///
/// Deficit round-robin (Shreedhar and Varghese, 1995): at each turn a tunnel may send ``quantumByteCount`` more
/// than it has sent, so tunnels with large and with small batches get equal shares of the socket. An end stands
/// behind its tunnel's batches.
public struct OutboundQueues<Batch>: ~Copyable {
    /// How much a tunnel may send per turn, in bytes: 64 KiB, one batch.
    @inlinable
    public static var quantumByteCount: Int { 64 << 10 }

    /// What is to be sent next; consume it, so that the batch has one owner and can be sealed in place.
    public enum Turn {
        /// Packets of a tunnel, and whether its sender is to be told to go on.
        case batch(TunnelID, Batch, resumesSender: Bool)
        /// The end of a tunnel, plain or with an error's message; the tunnel is gone from here.
        case end(TunnelID, message: String?)
    }

    @usableFromInline let patience: TimeAmount
    @usableFromInline var queues: [TunnelID: TunnelQueue<Batch>] = [:]
    @usableFromInline var turns = CircularBuffer<TunnelID>()
    /// Whether the first of `turns` was given what it may send in this turn.
    @usableFromInline var isTurnBegun = false
    /// Since when the tunnels whose senders are paused have made no progress.
    @usableFromInline var stalledSince: [TunnelID: NIODeadline] = [:]

    /// No tunnels; one whose sender is paused is stuck when it makes no progress for as long as `patience`.
    @inlinable
    public init(patience: TimeAmount = .seconds(5)) { self.patience = patience }

    /// Begins a queue; what is taken out of it is released from the flow.
    @inlinable
    public mutating func insert(_ flow: TunnelFlow) {
        queues[flow.tunnel] = TunnelQueue(flow: flow)
    }

    /// Drops a tunnel's queue and closes its flow.
    @inlinable
    public mutating func remove(_ tunnel: TunnelID) {
        stalledSince[tunnel] = nil
        queues.removeValue(forKey: tunnel)?.flow.close()
    }

    /// Drops everything, and closes every flow.
    @inlinable
    public mutating func removeAll() {
        for tunnel in Array(queues.keys) { remove(tunnel) }
        turns.removeAll()
    }

    /// Appends packets, unless the tunnel has ended or its flow is closed.
    @inlinable
    public mutating func append(
        _ batch: consuming Batch, byteCount: Int, to tunnel: TunnelID, at now: NIODeadline
    ) {
        guard let queue = queues[tunnel], !queue.flow.isClosed else { return }
        queue.append(batch, byteCount: byteCount, at: now)
        queue.flow.arrived(at: now)
        if queue.flow.isPaused, stalledSince[tunnel] == nil { stalledSince[tunnel] = now }
        activate(queue)
    }

    /// Puts the end behind what waits; a second one changes nothing.
    ///
    /// The tunnel cannot be stuck any more: its sender waits for nothing.
    @inlinable
    public mutating func appendEnd(message: String?, to tunnel: TunnelID) {
        guard let queue = queues[tunnel] else { return }
        queue.appendEnd(message: message)
        stalledSince[tunnel] = nil
        activate(queue)
    }

    /// Whether nothing waits.
    @inlinable
    public var isEmpty: Bool { queues.values.allSatisfy(\.isEmpty) }

    /// What to send next, or `nil` when nothing waits.
    @inlinable
    public mutating func next(at now: NIODeadline) -> Turn? {
        while let tunnel = turns.first {
            guard let queue = queues[tunnel] else {
                finishTurn()
                continue
            }
            if !isTurnBegun {
                queue.deficit += Self.quantumByteCount
                isTurnBegun = true
            }
            switch queue.take() {
            case .batch(let batch, let byteCount, let next):
                let resumes = queue.flow.release(byteCount, next: next)
                noteProgress(of: queue.flow, at: now)
                return .batch(tunnel, batch, resumesSender: resumes)
            case .end(let message):
                finishTurn()
                remove(tunnel)
                return .end(tunnel, message: message)
            case .overdrawn:
                finishTurn()
                turns.append(tunnel)
            case .empty:
                finishTurn()
            }
        }
        return nil
    }

    /// The tunnels that are stuck: their senders are paused, and for `patience` nothing was taken out.
    public func stuck(at now: NIODeadline) -> [TunnelID] {
        stalledSince.filter { $0.value + patience <= now }.keys.sorted()
    }

    /// Whether the sender of a stuck tunnel is to be told to go on after all: it was paused when all queues together
    /// were longer, and what it has queued is little enough now.
    @inlinable
    public mutating func resumeIfRoom(_ tunnel: TunnelID) -> Bool {
        guard queues[tunnel]?.flow.resumeIfRoom() == true else { return false }
        stalledSince[tunnel] = nil
        return true
    }

    /// When the first tunnel is going to be stuck.
    @inlinable
    public var stuckDeadline: NIODeadline? { stalledSince.values.min().map { $0 + patience } }

    @inlinable
    mutating func activate(_ queue: TunnelQueue<Batch>) {
        if queue.activate() { turns.append(queue.flow.tunnel) }
    }

    @inlinable
    mutating func finishTurn() {
        _ = turns.popFirst()
        isTurnBegun = false
    }

    @inlinable
    mutating func noteProgress(of flow: TunnelFlow, at now: NIODeadline) {
        guard stalledSince[flow.tunnel] != nil else { return }
        stalledSince[flow.tunnel] = flow.isPaused ? now : nil
    }
}
