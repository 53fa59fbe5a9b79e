internal import Cluster
internal import NIOCore
internal import PortalCore
internal import TypedSodium

/// The machine with everything that its owner has to remember beside it: who waits for a look-up, where machines are,
/// which announcements are silenced, how long answers take.
///
/// ### Invariants
/// - A look-up is here from its beginning until its last step was told, or its asker has ended it.
struct ClusterDriver: Sendable {
    /// Who waits for a look-up: told each step; its sessions to other machines live on the loop.
    struct Asker: Sendable {
        let loop: any EventLoop
        let take: @Sendable (NeighbourStep) -> Void
    }

    /// What is known of another machine beside what the cluster's protocol knows.
    struct Neighbour: Sendable {
        /// Where its links are dialled.
        var address: String
        /// How long its latest answer took.
        var roundTrip: TimeAmount?
        /// By how much its wall clock is ahead of ours.
        var clockMilliseconds: Int64?
    }

    private struct Waiting {
        let number: NeighbourLookUp
        let asker: Asker
    }

    /// Between two look-ups that measure how long answers take.
    private static let probeInterval = TimeAmount.seconds(10)
    /// So many questions are remembered for that.
    private static let timedLimit = 64

    var machine: ClusterMachine
    /// How many announcements and ends of them the machine was told.
    private(set) var toldCount: UInt64 = 0
    private(set) var neighbours: [MachineID: Neighbour] = [:]
    /// What did not open.
    private(set) var forgedCount = 0
    private(set) var malformedCount = 0
    private(set) var lookUpTotal = 0
    private(set) var missTotal = 0
    /// Whether there are more open ids than lists show.
    private(set) var isTooLong = false

    private var silencedPeers: Set<PublicKey> = []
    private let prober: PublicKey
    private var probe: LookUpID?
    private var probeAt: NIODeadline
    private var waiting: [LookUpID: Waiting] = [:]
    private var ids: [NeighbourLookUp: LookUpID] = [:]
    private var questionTimes: [(question: UInt64, at: NIODeadline)] = []

    init(_ settings: MachineSettings, portal: PublicKey, at now: NIODeadline) {
        machine = ClusterMachine(settings, at: now)
        prober = portal
        probeAt = now + .seconds(5)
    }

    /// How many look-ups wait for a step.
    var waitingCount: Int { waiting.count }

    /// When the machine, or a measurement, is due.
    var deadline: NIODeadline { min(machine.deadline, probeAt) }

    // MARK: Inputs

    /// A message opened, or did not.
    mutating func receive(
        _ result: Result<ClusterEnvelope, ClusterError>, over path: ClusterPath, wall: Int64,
        at now: NIODeadline
    ) {
        switch result {
        case .success(let envelope):
            note(envelope, wall: wall, at: now)
            machine.receive(envelope, over: path, at: now)
        case .failure(.malformed): malformedCount += 1
        case .failure: forgedCount += 1
        }
    }

    private mutating func note(_ envelope: ClusterEnvelope, wall: Int64, at now: NIODeadline) {
        switch envelope.message {
        case .answer(let answer):
            guard let asked = questionTimes.first(where: { $0.question == answer.question }) else { return }
            neighbours[envelope.sender]?.roundTrip = now - asked.at
        case .heartbeat(let heartbeat):
            neighbours[envelope.sender]?.clockMilliseconds =
                Int64(clamping: heartbeat.wallMilliseconds) - wall
        default: break
        }
    }

    /// A peer announces here; whether it may, which a mere subscription may not where it is announced elsewhere.
    mutating func announced(_ peer: PublicKey, _ manner: NeighbourManner, at now: NIODeadline) -> Bool {
        toldCount += 1
        silencedPeers.remove(peer)
        let claim: ClaimManner =
            switch manner {
            case .explicit: .explicit
            case .subscription: []
            case .hidden: [.explicit, .hidden]
            }
        return machine.announce(peer, claim, at: now)
    }

    mutating func left(_ peer: PublicKey, at now: NIODeadline) {
        toldCount += 1
        silencedPeers.remove(peer)
        machine.leave(peer, at: now)
    }

    // MARK: Look-ups

    mutating func lookUp(
        _ number: NeighbourLookUp, _ target: NeighbourTarget, for caller: NeighbourCaller, _ asker: Asker,
        at now: NIODeadline
    ) {
        let wanted: ClusterTarget =
            switch target {
            case .id(let key): .id(key)
            case .token(let token, let key): .token(token, by: key)
            case .nobody: .nobody
            }
        let who: LookUpCaller =
            switch caller {
            case .member(let key): .member(key)
            case .stranger(let source): .stranger(source: source)
            }
        guard let id = machine.lookUp(wanted, for: who, at: now) else { return asker.take(.busy) }
        lookUpTotal += 1
        ids[number] = id
        waiting[id] = Waiting(number: number, asker: asker)
    }

    /// A candidate is tried: who asks, unless it is gone; then the look-up is over.
    mutating func trying(_ id: LookUpID) -> (NeighbourLookUp, Asker)? {
        guard let waiter = waiting[id] else {
            machine.endLookUp(id)
            return nil
        }
        return (waiter.number, waiter.asker)
    }

    mutating func failed(_ number: NeighbourLookUp, _ failure: NeighbourFailure, at now: NIODeadline) {
        guard let id = ids[number] else { return }
        machine.failed(id, failure == .noLink ? .noLink : .refused, at: now)
    }

    /// A look-up is over for who asked.
    mutating func end(_ number: NeighbourLookUp) {
        guard let id = ids.removeValue(forKey: number) else { return }
        waiting[id] = nil
        machine.endLookUp(id)
    }

    /// The machine has ended a look-up.
    mutating func over(_ id: LookUpID, _ step: NeighbourStep) {
        if step == .missed, id != probe { missTotal += 1 }
        if id == probe { probe = nil }
        guard let waiter = waiting.removeValue(forKey: id) else { return }
        ids[waiter.number] = nil
        waiter.asker.take(step)
    }

    // MARK: Measuring

    /// Asks for nobody where it is time to, so that answers are timed also where nobody asks anything.
    mutating func probeIfDue(at now: NIODeadline) {
        guard probeAt <= now else { return }
        probeAt = now + Self.probeInterval
        if probe == nil { probe = machine.lookUp(.nobody, for: .member(prober), at: now) }
    }

    /// A question goes out.
    mutating func asked(_ question: Question, at now: NIODeadline) {
        questionTimes.append((question.id, now))
        if questionTimes.count > Self.timedLimit { questionTimes.removeFirst() }
    }

    // MARK: Machines

    mutating func follow(_ event: ClusterEvent) {
        switch event {
        case .joined(let other, let address): neighbours[other] = Neighbour(address: address)
        case .gone(let other): neighbours[other] = nil
        default: break
        }
    }

    /// A key is not answered for any more.
    mutating func silenced(_ peer: PublicKey) { silencedPeers.insert(peer) }

    /// Whether it has changed that there are too many open ids for lists.
    mutating func noteLength() -> Bool {
        let before = isTooLong
        isTooLong = machine.isTooLongToList
        return before != isTooLong
    }

    /// The keys that were silenced and are claimed again, because the better claim is gone.
    mutating func takeRestored() -> [PublicKey] {
        guard !silencedPeers.isEmpty else { return [] }
        let claims = machine.ownClaims
        let restored = silencedPeers.filter { claims[$0] != nil }
        silencedPeers.subtract(restored)
        return Array(restored)
    }
}
