internal import NIOCore
internal import TypedSodium

/// What another machine has announced, as far as it has told: its open ids, and how complete they are.
///
/// Claims and departures may come in any order and more than once: the later time counts.
///
/// ### Invariants
/// - The hash is that of the claims.
/// - There are at most ``limit`` claims, none where the machine has more.
struct Catalogue: Sendable {
    /// How many open ids are listed at most, of all machines together.
    static let limit = 16_000
    /// How many batches are remembered that came before one that is missing.
    private static let aheadLimit = 64
    /// So long a missing batch may still come.
    private static let gapTime = TimeAmount.milliseconds(500)

    private(set) var claims: [PublicKey: Claim] = [:]
    private(set) var hash = ClaimSetHash()
    /// Whether the machine has more open ids than are listed; then they are not kept.
    private(set) var isOverfull = false
    /// All batches up to this one have come.
    private(set) var number: UInt64 = 0
    /// All hidden claims before this time have come.
    private(set) var completeUpTo: HybridTime

    private var ahead: Set<UInt64> = []
    private var gapSince: NIODeadline?

    /// Nothing is known; hidden claims before that time do not matter.
    init(completeUpTo: HybridTime) { self.completeUpTo = completeUpTo }

    /// A batch came; whether it is a fresh one.
    mutating func take(_ batch: ClaimBatch, at now: NIODeadline) -> Bool {
        guard batch.number > number, !ahead.contains(batch.number) else { return false }
        // Where too much is missing the list is fetched; the batch counts all the same.
        guard ahead.count < Self.aheadLimit || batch.number == number + 1 else { return true }
        ahead.insert(batch.number)
        while ahead.remove(number + 1) != nil { number += 1 }
        if ahead.isEmpty {
            gapSince = nil
            completeUpTo = batch.claims.reduce(completeUpTo) { max($0, $1.time) }
        } else if gapSince == nil {
            gapSince = now
        }
        return true
    }

    /// Puts an open claim in; whether the id was not there.
    mutating func insert(_ claim: Claim) -> Bool {
        guard !isOverfull else { return false }
        let present = claims[claim.key]
        guard present.map({ $0.time < claim.time }) ?? true else { return false }
        if let present { hash.remove(present) }
        claims[claim.key] = claim
        hash.insert(claim)
        return present == nil
    }

    /// Takes an id out, where it was not announced later; whether it was there.
    mutating func remove(_ claim: Claim) -> Bool {
        guard let present = claims[claim.key], present.time <= claim.time else { return false }
        hash.remove(present)
        claims[claim.key] = nil
        return true
    }

    /// The machine has more ids than are listed.
    mutating func overflow() {
        (claims, hash, isOverfull) = ([:], ClaimSetHash(), true)
    }

    /// Takes a whole list in the place of everything, complete up to a batch and a time.
    mutating func replace(
        with claims: [PublicKey: Claim], isOverfull: Bool, number: UInt64, at time: HybridTime
    ) {
        self.claims = claims
        self.isOverfull = isOverfull
        hash = claims.values.reduce(into: ClaimSetHash()) { $0.insert($1) }
        self.number = number
        completeUpTo = max(completeUpTo, time)
        ahead = ahead.filter { $0 > number }
        while ahead.remove(self.number + 1) != nil { self.number += 1 }
        gapSince = nil
    }

    /// Whether the list is to be fetched, by what the machine says of itself.
    mutating func lacks(_ heartbeat: Heartbeat, at now: NIODeadline) -> Bool {
        if heartbeat.claimNumber > number {
            let since = gapSince ?? now
            gapSince = since
            return now - since >= Self.gapTime || ahead.count >= Self.aheadLimit
        }
        gapSince = nil
        // An older heartbeat than the batches that came says nothing.
        guard heartbeat.claimNumber == number else { return false }
        if isOverfull { return heartbeat.openCount <= Self.limit / 2 }
        return heartbeat.openHash != hash
    }
}
