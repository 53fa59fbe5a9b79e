internal import NIOCore

/// Which machines there are, and what each is believed to be.
///
/// ### Invariants
/// - At most ``limit`` machines are kept, ``meetingLimit`` of them not counted yet.
struct Membership: Sendable {
    /// How many other machines a cluster has at most.
    static let limit = 255
    /// How many are kept that have not answered yet.
    static let meetingLimit = 64

    private(set) var peers: [MachineID: Peer] = [:]
    /// How far those that are gone had told us of their claims, in case they come back; the oldest are forgotten.
    private var departed: [(machine: MachineID, completeUpTo: HybridTime)] = []

    /// Nobody is known.
    init() {}

    subscript(machine: MachineID) -> Peer? {
        get { peers[machine] }
        set { peers[machine] = newValue }
    }

    /// The machines that count, in order.
    var counted: [MachineID] { peers.values.filter(\.isCounted).map(\.machine).sorted() }

    /// The machines that look-ups wait for.
    var awaited: Set<MachineID> { Set(peers.values.lazy.filter(\.isAwaited).map(\.machine)) }

    var all: [MachineID] { peers.keys.sorted() }

    /// Whether a machine has more open ids than are listed anywhere.
    var hasOverfull: Bool { peers.values.contains { $0.isCounted && $0.catalogue.isOverfull } }

    /// Whether another machine has a better claim for the same open id.
    func isOutdone(_ claim: Claim, of machine: MachineID) -> Bool {
        peers.values.contains { peer in
            peer.catalogue.claims[claim.key]?.isBetter(on: peer.machine, than: claim, on: machine) ?? false
        }
    }

    /// Whether a machine counted once, and is gone.
    func isDeparted(_ machine: MachineID) -> Bool { departed.contains { $0.machine == machine } }

    /// A machine that is not known said that it is here; whether there is a place for it.
    mutating func meet(
        _ machine: MachineID, _ heartbeat: Heartbeat, since start: HybridTime, at now: NIODeadline
    ) -> Bool {
        guard peers.count < Self.limit, peers.values.lazy.filter({ !$0.isCounted }).count < Self.meetingLimit
        else { return false }
        let known = departed.last { $0.machine == machine }?.completeUpTo
        peers[machine] = Peer(
            machine, heartbeat, catalogue: Catalogue(completeUpTo: known ?? start), at: now)
        return true
    }

    /// Forgets a machine, whose catalogue goes with it.
    mutating func remove(_ machine: MachineID) -> Peer? {
        guard let peer = peers.removeValue(forKey: machine) else { return nil }
        if peer.isCounted {
            departed.removeAll { $0.machine == machine }
            departed.append((machine, peer.catalogue.completeUpTo))
            if departed.count > Self.limit { departed.removeFirst() }
        }
        return peer
    }

    /// The machines that have a successor at their address: a later one that counts.
    var succeeded: [MachineID] {
        var latest: [String: Peer] = [:]
        for peer in peers.values where peer.isCounted && !peer.heartbeat.address.isEmpty {
            guard let other = latest[peer.heartbeat.address] else {
                latest[peer.heartbeat.address] = peer
                continue
            }
            if (other.heartbeat.startedAt, other.machine) < (peer.heartbeat.startedAt, peer.machine) {
                latest[peer.heartbeat.address] = peer
            }
        }
        return peers.values.filter { peer in
            peer.isCounted && latest[peer.heartbeat.address].map { $0.machine != peer.machine } ?? false
        }.map(\.machine).sorted()
    }

    /// Silence of the time that this machine stood still means nothing.
    mutating func forgive(_ time: TimeAmount, at now: NIODeadline) {
        for machine in peers.keys { peers[machine]?.forgive(time, at: now) }
    }
}

/// Whether this machine's clock agrees with the others'.
///
/// Messages with a time too far from ours are dropped; here it is remembered of whom. A machine that starts and finds
/// others, but none that agrees with it, does not serve.
struct ClockAgreement: Sendable {
    /// How far a message's time may lie from ours.
    static let toleranceMilliseconds: Int64 = 10_000

    private static let limit = 64
    private static let memory = TimeAmount.seconds(5)

    private struct Disagreement {
        var heardAt: NIODeadline
        var time: HybridTime
        /// How many heartbeats came, each later than the one before: repeated old ones are not.
        var count: Int
    }

    private var disagreements: [MachineID: Disagreement] = [:]

    /// Whether a time is too far from ours to be believed.
    static func disagrees(_ time: HybridTime, with own: HybridTime) -> Bool {
        abs(time.milliseconds(since: own)) > toleranceMilliseconds
    }

    /// A heartbeat with such a time came; whether it is the second, which proves that there is such a clock.
    mutating func note(_ machine: MachineID, _ time: HybridTime, at now: NIODeadline) -> Bool {
        guard var known = disagreements[machine] else {
            if disagreements.count < Self.limit {
                disagreements[machine] = Disagreement(heardAt: now, time: time, count: 1)
            }
            return false
        }
        guard time > known.time else { return false }
        known = Disagreement(heardAt: now, time: time, count: known.count + 1)
        disagreements[machine] = known
        return known.count == 2
    }

    /// The machines with another clock that were heard of late.
    mutating func current(at now: NIODeadline) -> [MachineID] {
        disagreements = disagreements.filter { now - $0.value.heardAt < Self.memory }
        return disagreements.filter { $0.value.count > 1 }.keys.sorted()
    }
}
