internal import NIOCore
internal import TypedSodium

/// What is announced on this machine, and what the others have not been told yet.
///
/// ### Invariants
/// - The hash and the count are those of the open claims.
/// - Departures go before claims in each round, and a later time wins, so both may meet at the other side in any order.
struct OwnClaims: Sendable {
    /// So long changes are gathered.
    private static let gatheringTime = TimeAmount.milliseconds(10)
    /// A hidden claim that is older by this than a query's time is told all the same, because clocks differ.
    static let slackMilliseconds: UInt64 = 10_000

    private(set) var claims: [PublicKey: Claim] = [:]
    private(set) var openHash = ClaimSetHash()
    private(set) var openCount = 0
    /// The number of the last batch.
    private(set) var number: UInt64 = 0
    /// When the next batches are due.
    private(set) var flushAt: NIODeadline?

    private var begun: [PublicKey: Claim] = [:]
    private var ended: [PublicKey: Claim] = [:]

    init() {}

    subscript(key: PublicKey) -> Claim? { claims[key] }

    /// A key is announced here; the claim that was there before, where there was one.
    @discardableResult
    mutating func add(_ claim: Claim, at now: NIODeadline) -> Claim? {
        let former = claims.updateValue(claim, forKey: claim.key)
        if let former { uncount(former) }
        count(claim)
        // Where it became hidden the others have to forget that it was open.
        if let former, claim.manner.contains(.hidden), !former.manner.contains(.hidden) {
            ended[claim.key] = former
        }
        begun[claim.key] = claim
        flushAt = flushAt ?? now + Self.gatheringTime
        return former
    }

    /// A key is not announced here any more; what was.
    @discardableResult
    mutating func remove(_ key: PublicKey, at now: NIODeadline) -> Claim? {
        guard let claim = claims.removeValue(forKey: key) else { return nil }
        uncount(claim)
        begun[key] = nil
        ended[key] = claim
        flushAt = flushAt ?? now + Self.gatheringTime
        return claim
    }

    /// What is to be told, where it is due.
    mutating func flush(at now: NIODeadline) -> [ClusterMessage] {
        guard let flushAt, flushAt <= now else { return [] }
        self.flushAt = nil
        defer {
            begun.removeAll(keepingCapacity: begun.count < ClaimBatch.limit)
            ended.removeAll(keepingCapacity: ended.count < ClaimBatch.limit)
        }
        return batches(of: ended).map(ClusterMessage.left) + batches(of: begun).map(ClusterMessage.claims)
    }

    /// What a query asks for: open claims, unless they are too many, and hidden ones since its time.
    func list(for query: ListQuery) -> [ListPart] {
        let since = HybridTime(
            milliseconds: query.hiddenSince.milliseconds
                - min(query.hiddenSince.milliseconds, Self.slackMilliseconds))
        let isOverfull = openCount > Catalogue.limit
        let listed = claims.values.filter { claim in
            claim.manner.contains(.hidden) ? claim.time >= since : !isOverfull
        }
        return ListPart.parts(of: listed, answering: query.nonce, at: number, isOverfull: isOverfull)
    }

    /// The answer to a question: ids that are open here, and of the announcers of tokens that were found those whose
    /// claim still stands.
    func announcers(for question: Question, found: [[PublicKey]]) -> [[FoundAnnouncer]] {
        zip(question.targets, found).map { target, keys in
            switch target {
            case .id(let key): announcer(key, isHidden: false).map { [$0] } ?? []
            case .token, .nobody:
                keys.compactMap { announcer($0, isHidden: true) }.sorted { $0.time > $1.time }
            }
        }
    }

    private func announcer(_ key: PublicKey, isHidden: Bool) -> FoundAnnouncer? {
        guard let claim = claims[key], claim.manner.contains(.hidden) == isHidden else { return nil }
        return FoundAnnouncer(key, at: claim.time)
    }

    private mutating func batches(of claims: [PublicKey: Claim]) -> [ClaimBatch] {
        let sorted = claims.values.sorted { $0.time < $1.time }
        return stride(from: 0, to: sorted.count, by: ClaimBatch.limit).map { start in
            number += 1
            return ClaimBatch(
                number: number, claims: Array(sorted[start..<min(start + ClaimBatch.limit, sorted.count)]))
        }
    }

    private mutating func count(_ claim: Claim) {
        guard !claim.manner.contains(.hidden) else { return }
        openHash.insert(claim)
        openCount += 1
    }

    private mutating func uncount(_ claim: Claim) {
        guard !claim.manner.contains(.hidden) else { return }
        openHash.remove(claim)
        openCount -= 1
    }
}
