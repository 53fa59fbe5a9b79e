internal import NIOCore
internal import Synchronization

/// What all queues of a portal may hold together.
///
/// Counting costs one atomic addition per batch. The more is queued, the less a flow may queue before its sender is
/// paused: as much as is left of half of the limit. So a thousand senders that are faster than their receiver share
/// that half, and none is cut; a few get full queues. (Choudhury and Hahne, "Dynamic queue length thresholds", 1998.)
///
/// Only when the sum is over the limit all the same, which takes more than two thousand flows that have something
/// queued, are the flows looked through, and the tunnel whose oldest byte has waited longest is cut: its reader is
/// the one that does not read.
public final class MemoryBudget: Sendable {
    /// 256 MiB: twice what 32 readers hold that stand still with a full window each.
    public static let defaultLimitByteCount = 256 << 20

    /// The most that may be queued, in bytes.
    public let limitByteCount: Int

    private let used = Atomic(0)
    private let flows = Mutex<[ObjectIdentifier: TunnelFlow]>([:])

    /// A budget with nothing queued.
    public init(limitByteCount: Int = MemoryBudget.defaultLimitByteCount) {
        self.limitByteCount = limitByteCount
    }

    /// What is queued now, in bytes.
    public var usedByteCount: Int { used.load(ordering: .relaxed) }

    /// What one flow may always queue, in bytes: one turn of a receiver's queues.
    static let leastByteCount = 64 << 10

    /// What one flow may queue now before its sender is paused, in bytes.
    var shareByteCount: Int { max(Self.leastByteCount, limitByteCount / 2 - usedByteCount) }

    /// Whether ``cutOldest()`` has something to do.
    public var isExceeded: Bool { usedByteCount > limitByteCount }

    /// One direction of a tunnel, counted here until it is closed.
    public func makeFlow(
        for tunnel: TunnelID, limitByteCount: Int = TunnelFlow.limitByteCount
    ) -> TunnelFlow {
        let flow = TunnelFlow(tunnel: tunnel, limit: limitByteCount, budget: self)
        flows.withLock { $0[ObjectIdentifier(flow)] = flow }
        return flow
    }

    /// Closes flows, the one with the oldest byte first, until the limit is kept; the tunnels they belong to.
    public func cutOldest() -> [TunnelID] {
        var cut: [TunnelID] = []
        while isExceeded, let victim = oldestFlow() {
            // Somebody else may have closed it in between: then look again.
            if victim.close() { cut.append(victim.tunnel) }
        }
        return cut
    }

    func charge(_ byteCount: Int) { used.add(byteCount, ordering: .relaxed) }

    func discharge(_ byteCount: Int) { used.subtract(byteCount, ordering: .relaxed) }

    func forget(_ flow: TunnelFlow) {
        _ = flows.withLock { $0.removeValue(forKey: ObjectIdentifier(flow)) }
    }

    private func oldestFlow() -> TunnelFlow? {
        flows.withLock { flows in
            let waiting = flows.values.compactMap { flow in flow.oldest.map { (flow: flow, since: $0) } }
            return waiting.min { ($0.since, $0.flow.tunnel) < ($1.since, $1.flow.tunnel) }?.flow
        }
    }
}
