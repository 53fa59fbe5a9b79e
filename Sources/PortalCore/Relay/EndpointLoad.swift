internal import Synchronization

/// What the tunnels of one endpoint hold together, both directions, whoever pays for it.
///
/// No second charge, but a cap: what many callers have queued for one endpoint, or it for them, is never more than its
/// part of the pool. The more of that is taken, the less one queue may hold before its sender is paused: twice what is
/// left, after a read for each that fills, which may be on its way. So many that fill share it equally, and one alone has
/// most of it. (Choudhury and Hahne, "Dynamic queue length thresholds", 1998.)
package final class EndpointLoad: Sendable {
    /// The most that may be held, in bytes.
    package let limitByteCount: Int

    private let held = Atomic(0)
    private let filling = Atomic(0)

    /// Nothing held yet.
    package init(limitByteCount: Int) { self.limitByteCount = limitByteCount }

    /// What is held now, in bytes.
    package var heldByteCount: Int { held.load(ordering: .relaxed) }

    /// Whether the largest caller has to lose a tunnel.
    package var isExceeded: Bool { heldByteCount > limitByteCount }

    /// How long a queue may be now, in bytes.
    var thresholdByteCount: Int {
        let underWay = filling.load(ordering: .relaxed) * TunnelFlow.readByteCount
        return max(turnByteCount, 2 * (limitByteCount - heldByteCount - underWay))
    }

    /// How much is handed over at once now, in bytes: where many callers fill half of the part half of what it is else, and
    /// a quarter beyond three quarters, so that a thousand have room for something each.
    var turnByteCount: Int {
        let quarters = 4 * heldByteCount / max(1, limitByteCount)
        return TunnelFlow.leastByteCount >> (quarters >= 3 ? 2 : quarters >= 2 ? 1 : 0)
    }

    /// A queue holds more than the least, or does not any more.
    func fills(_ isFilling: Bool) { filling.add(isFilling ? 1 : -1, ordering: .relaxed) }

    func add(_ byteCount: Int) { held.add(byteCount, ordering: .relaxed) }
}
