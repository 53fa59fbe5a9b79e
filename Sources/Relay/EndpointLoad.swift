internal import Synchronization

/// What the tunnels of one endpoint hold together, both directions, whoever pays for it.
///
/// No second charge, but a cap: what many callers have queued for one endpoint, or it for them, is never more than its
/// part of the pool. The more of that is taken, the less one queue may hold before its sender is paused: as much as is
/// left. So many that fill share it equally. (Choudhury and Hahne, "Dynamic queue length thresholds", 1998.)
package final class EndpointLoad: Sendable {
    /// The most that may be held, in bytes.
    package let limitByteCount: Int

    private let held = Atomic(0)

    /// Nothing held yet.
    package init(limitByteCount: Int) { self.limitByteCount = limitByteCount }

    /// What is held now, in bytes.
    package var heldByteCount: Int { held.load(ordering: .relaxed) }

    /// Whether the largest caller has to lose a tunnel.
    package var isExceeded: Bool { heldByteCount > limitByteCount }

    /// What is left, in bytes.
    var roomByteCount: Int { limitByteCount - heldByteCount }

    func add(_ byteCount: Int) { held.add(byteCount, ordering: .relaxed) }

    func subtract(_ byteCount: Int) { held.subtract(byteCount, ordering: .relaxed) }
}
