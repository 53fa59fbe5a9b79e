package import Blinding
internal import LMDB
internal import TypedSodium

/// What became of somebody who redeems an invite.
package enum Redemption: Hashable, Sendable {
    /// A friend from now on, or already; fresh where it was not one before.
    case admitted(isFresh: Bool)
    /// No friend by this invite.
    case refused(RedeemRefusal)
}

/// Why an invite admits somebody not.
package enum RedeemRefusal: String, Hashable, Sendable {
    /// As many came by it as may.
    case usedUp = "invite used up"
    /// It was taken back, or is not known.
    case revoked = "invite revoked"
    /// Its time has passed.
    case expired = "invite expired"
    /// Who redeems it was removed since it was made.
    case removed = "removed"

    /// The text of the error that the redeemer is answered with.
    package var message: String { rawValue }

    init(_ reason: Closing.Reason) {
        self =
            switch reason {
            case .usedUp: .usedUp
            case .revoked: .revoked
            case .expired: .expired
            }
    }
}

/// Somebody who redeems an invite.
package struct RedeemRequest: Hashable, Sendable {
    /// The invite, whose key pair was shown.
    package let invite: InviteKey
    /// Who becomes a friend; the caller has checked the signature.
    package let friend: FriendKey

    /// Puts the two together.
    package init(invite: InviteKey, friend: FriendKey) {
        self.invite = invite
        self.friend = friend
    }
}

extension Keyring {
    /// Admits a friend by an invite, in one transaction; see ``redeem(_:now:)``.
    ///
    /// - Throws: ``KeyringError/ownKey`` or ``KeyringError/unusableKey`` for a key that can be nobody's, besides
    ///   what the store throws.
    package func redeem(
        _ invite: InviteKey, by friend: FriendKey, now: UInt64
    ) throws(KeyringError) -> Redemption {
        try redeem([RedeemRequest(invite: invite, friend: friend)], now: now)[0].get()
    }

    /// Admits friends by their invites, all who redeem at once in one transaction, which is one wait for the disk.
    ///
    /// Of any number that redeem at once, exactly as many win as the invite has uses. Who came by the very same invite
    /// before costs none, so that an answer that was lost can be asked for again. Who is a friend already and comes by
    /// another one gains its services, costs a use, and is recorded with it. Who is refused leaves no trace.
    ///
    /// - Returns: what became of each, in their order; an error where it concerns one of them alone.
    /// - Throws: ``KeyringError``, when nothing became of any.
    package func redeem(
        _ requests: [RedeemRequest], now: UInt64
    ) throws(KeyringError) -> [Result<Redemption, KeyringError>] {
        let faults = requests.map(fault)
        return try store.change { (transaction, change) throws(KeyringError) in
            var outcomes: [Result<Redemption, KeyringError>] = []
            for (request, fault) in zip(requests, faults) {
                if let fault {
                    outcomes.append(.failure(fault))
                    continue
                }
                do throws(KeyringError) {
                    outcomes.append(.success(try transaction.redeem(request, &change, now: now)))
                } catch {
                    // That there is no room shows before anything is written.
                    guard case .tooManyEntries = error else { throw error }
                    outcomes.append(.failure(error))
                }
            }
            return outcomes
        }
    }

    /// What is wrong with the keys of a request alone.
    private func fault(of request: RedeemRequest) -> KeyringError? {
        guard request.friend.publicKey != request.invite.publicKey else { return .unusableKey }
        do throws(KeyringError) { try checkUsable(request.friend.publicKey) } catch { return error }
        return nil
    }
}

extension Transaction where Access == Writing {
    fileprivate mutating func redeem(
        _ request: RedeemRequest, _ change: inout Change, now: UInt64
    ) throws(KeyringError) -> Redemption {
        let (invite, friend) = (request.invite, request.friend)
        let known = try record(FriendRecord.self, friend.publicKey)
        if let uses = known?.admission?.uses, uses.contains(invite) { return .admitted(isFresh: false) }
        guard var stored = try record(StoredInvite.self, invite.publicKey) else { return .refused(.revoked) }
        if let refusal = try refusal(of: stored, to: friend, now: now) { return .refused(refusal) }

        let isFresh = known?.admission == nil
        // First of all: where there is no room, nothing is written.
        if isFresh { try Ghost.giveWay(&self, change) }
        var record: FriendRecord
        if let known { record = known } else { record = try obtain(friend, calledAsIn: stored.label) }
        var admission =
            record.admission
            ?? Admission(
                services: stored.services, invite: invite, since: now, sequence: change.sequence,
                uses: InviteUses())
        admission.services = admission.services.union(stored.services)
        try admission.uses.add(invite, at: now) { (invite) throws(KeyringError) in
            try self.record(StoredInvite.self, invite.publicKey) != nil
        }
        record.admission = admission
        stored.usesLeft -= 1
        if stored.usesLeft == 0 { stored.closing = Closing(reason: .usedUp, at: now) }
        try put(stored, invite.publicKey)
        try put(record, friend.publicKey)
        change.mark()
        return .admitted(isFresh: isFresh)
    }

    /// Why an invite does not admit somebody; `nil` when it does.
    private borrowing func refusal(
        of invite: StoredInvite, to friend: FriendKey, now: UInt64
    ) throws(KeyringError) -> RedeemRefusal? {
        let tombstone = try record(TombstoneRecord.self, friend.publicKey)
        if let tombstone, tombstone.sequence > invite.sequence { return .removed }
        if let closing = invite.closing { return RedeemRefusal(closing.reason) }
        if let expiry = invite.expiry, now >= expiry { return .expired }
        return nil
    }

    /// The record of somebody who is not there yet, under a name made from an invite's label.
    private mutating func obtain(
        _ friend: FriendKey, calledAsIn label: String
    ) throws(KeyringError) -> FriendRecord {
        let wanted = Petname.inside(label) ?? Petname.fallback(friend.publicKey)
        let record = FriendRecord(name: try Petname.free(wanted, self))
        try insert(record, friend.publicKey)
        return record
    }
}
