internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// The queues that one peer fills and that are full, and how long its other tunnels had to wait for them.
struct LegPauses {
    private let connection: ConnectionID
    private var ledger = PauseLedger<PortalLeg.Holdup>()
    /// A tunnel that was found to be active.
    private var witness: PortalLeg?

    init(on connection: ConnectionID) { self.connection = connection }

    /// Whether a queue is full.
    var isPaused: Bool { ledger.isPaused }

    /// When something has to be seen to while the peer is not read for others' sake.
    var deadline: NIODeadline? { ledger.deadline }

    /// The queue of a tunnel is full.
    mutating func begin(_ leg: PortalLeg, in legs: [TunnelID: PortalLeg], at now: NIODeadline) {
        count(in: legs, at: now)
        ledger.paused(leg.tunnel.id, by: leg.holdup(on: connection), at: now)
    }

    /// The queue of a tunnel has room, or the tunnel is gone.
    mutating func end(_ tunnel: TunnelID, in legs: [TunnelID: PortalLeg], at now: NIODeadline) {
        guard ledger.isPaused else { return }
        count(in: legs, at: now)
        ledger.resumed(tunnel)
    }

    /// Counts the time that has gone by, before something changes that matters for it.
    mutating func count(in legs: [TunnelID: PortalLeg], at now: NIODeadline) {
        guard ledger.isPaused else { return }
        ledger.count(until: activeUntil(in: legs, at: now), at: now)
    }

    /// Resumes what has room again, and says which tunnels have kept others waiting for too long.
    mutating func judge(in legs: [TunnelID: PortalLeg], at now: NIODeadline) -> [TunnelID] {
        guard ledger.isPaused else { return [] }
        count(in: legs, at: now)
        for tunnel in Array(ledger.fullTunnels)
        where legs[tunnel].map({ $0.far.flow.resumeIfRoom() }) ?? true {
            ledger.resumed(tunnel)
        }
        var condemned: [TunnelID] = []
        while let verdict = ledger.judge(
            isSomebodyActive: activeUntil(in: legs, at: now) != nil, at: now)
        {
            condemned.append(verdict.tunnel)
        }
        return condemned
    }

    /// A tunnel is gone.
    mutating func forget(_ leg: PortalLeg) {
        if witness === leg { witness = nil }
    }

    /// Until when some tunnel that has room is one that people are at, as it looks now; `nil` where none is.
    private mutating func activeUntil(
        in legs: [TunnelID: PortalLeg], at now: NIODeadline
    ) -> NIODeadline? {
        if let witness, isWaiting(witness), witness.activeUntil > now { return witness.activeUntil }
        witness = legs.values.filter { isWaiting($0) }.max { $0.activeUntil < $1.activeUntil }
        return witness?.activeUntil
    }

    /// Whether a tunnel waits only because the peer is not read.
    private func isWaiting(_ leg: PortalLeg) -> Bool {
        !leg.isReceiveClosed && !ledger.isFull(leg.tunnel.id)
    }
}
