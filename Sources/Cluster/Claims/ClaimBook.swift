internal import NIOCore
internal import TypedSodium

/// Who holds which key: this machine's claims, what the others have told of theirs, and what follows where they meet.
///
/// ### Invariants
/// - The union holds exactly the open claims of this machine and of all catalogues that were not forgotten.
struct ClaimBook: Sendable {
    /// What follows from a claim of another machine for a key that is announced here.
    enum Verdict: Equatable {
        /// Theirs is better: ours, which is taken back.
        case yield(Claim)
        /// Ours is better, which they have to be told.
        case insist(Claim)
    }

    /// So many open ids are kept at most, of all machines together; beyond it a machine's are not kept any more.
    private static let keptLimit = 4 * Catalogue.limit

    /// A hidden claim that gave way while its connection stays.
    private struct Parked {
        let claim: Claim
        let winner: MachineID
        let winning: HybridTime
    }

    private let machine: MachineID
    /// Hidden claims that stand again when the better one goes: its machine may not have noticed yet that the endpoint
    /// has left it.
    private var parked: [PublicKey: Parked] = [:]
    private(set) var own = OwnClaims()
    private(set) var union = OpenUnion()

    init(machine: MachineID) { self.machine = machine }

    // MARK: Here

    /// A key is announced here.
    mutating func announce(_ claim: Claim, at now: NIODeadline) {
        parked[claim.key] = nil
        if let former = own.add(claim, at: now), !former.manner.contains(.hidden) { union.remove(former.key) }
        if !claim.manner.contains(.hidden) { union.insert(claim.key) }
    }

    /// A key is announced here no more; what was.
    @discardableResult
    mutating func leave(_ key: PublicKey, at now: NIODeadline) -> Claim? {
        parked[key] = nil
        guard let claim = own.remove(key, at: now) else { return nil }
        if !claim.manner.contains(.hidden) { union.remove(key) }
        return claim
    }

    /// What others are to be told by now.
    mutating func flush(at now: NIODeadline) -> [ClusterMessage] { own.flush(at: now) }

    /// What has changed in the union, once.
    mutating func takeChanges() -> OpenUnion.Changes { union.takeChanges() }

    /// The hidden claims of ours that gave way to a machine's, and the times of those.
    func waiting(for machine: MachineID) -> [PublicKey: HybridTime] {
        parked.filter { $0.value.winner == machine }.mapValues(\.winning)
    }

    // MARK: Elsewhere

    /// Another machine's batch came.
    mutating func take(
        _ message: ClusterMessage, from other: MachineID, into catalogue: inout Catalogue, at now: NIODeadline
    ) -> [Verdict] {
        switch message {
        case .claims(let batch):
            guard batch.number == 0 || catalogue.take(batch, at: now) else { return [] }
            // What is repeated to this machine alone is in a list already.
            if batch.number > 0 { insert(batch.claims, into: &catalogue) }
            return judge(batch.claims, of: other, at: now)
        case .left(let batch):
            guard batch.number == 0 || catalogue.take(batch, at: now) else { return [] }
            for claim in batch.claims {
                if catalogue.remove(claim) { union.remove(claim.key) }
                restore(claim.key, at: now) { $0.winner == other && $0.winning <= claim.time }
            }
            return []
        default: return []
        }
    }

    /// Which of ours give way to another machine's claims, and which do not.
    mutating func judge(_ claims: [Claim], of other: MachineID, at now: NIODeadline) -> [Verdict] {
        claims.compactMap { claim in
            guard let ours = own[claim.key] else { return nil }
            guard claim.isBetter(on: other, than: ours, on: machine) else { return .insist(ours) }
            leave(claim.key, at: now)
            if ours.manner.contains(.hidden) {
                parked[claim.key] = Parked(claim: ours, winner: other, winning: claim.time)
            }
            return .yield(ours)
        }
    }

    /// Another machine's list is complete, with what came beside it.
    mutating func complete(
        _ fetch: ListFetch, at time: HybridTime, from other: MachineID, into catalogue: inout Catalogue,
        at now: NIODeadline
    ) -> [Verdict] {
        for key in catalogue.claims.keys where fetch.claims[key] == nil { union.remove(key) }
        for key in fetch.claims.keys where catalogue.claims[key] == nil { union.insert(key) }
        catalogue.replace(
            with: fetch.claims, isOverfull: fetch.isOverfull, number: fetch.claimNumber, at: time)
        limit(&catalogue)
        for key in fetch.unnamed { restore(key, at: now) { $0.winner == other && $0.winning <= time } }
        return fetch.buffered.flatMap { take($0, from: other, into: &catalogue, at: now) }
    }

    /// Another machine is gone.
    mutating func forget(_ catalogue: Catalogue, of other: MachineID, at now: NIODeadline) {
        for key in catalogue.claims.keys { union.remove(key) }
        for key in parked.keys { restore(key, at: now) { $0.winner == other } }
    }

    private mutating func restore(_ key: PublicKey, at now: NIODeadline, where isOver: (Parked) -> Bool) {
        guard let waiting = parked[key], isOver(waiting) else { return }
        announce(waiting.claim, at: now)
    }

    private mutating func insert(_ claims: [Claim], into catalogue: inout Catalogue) {
        for claim in claims {
            if !claim.manner.contains(.hidden) {
                if catalogue.insert(claim) { union.insert(claim.key) }
            } else if catalogue.remove(claim) {
                union.remove(claim.key)
            }
        }
        limit(&catalogue)
    }

    private mutating func limit(_ catalogue: inout Catalogue) {
        guard catalogue.claims.count > Catalogue.limit || union.count > Self.keptLimit else { return }
        for key in catalogue.claims.keys { union.remove(key) }
        catalogue.overflow()
    }
}
