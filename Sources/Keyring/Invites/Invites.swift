package import Blinding
package import Invitation
internal import LMDB
package import TypedSodium

/// The invites that the keyring's owner makes, and what becomes of those who redeem them.
///
/// Invites of others, which the owner has accepted, are ``Joins``.
package struct Invites: Sendable {
    let store: KeyringStore
    let owner: EndpointKey

    // MARK: Making

    /// Makes an invite, of which only the public half is kept.
    ///
    /// - Parameters:
    ///   - draft: what it is to be.
    ///   - portals: where its reader finds the owner, one to eight.
    ///   - seed: fresh and random.
    ///   - now: Unix seconds.
    /// - Returns: the code, which is shown once and cannot be had again.
    /// - Throws: ``KeyringError``.
    package func create(
        _ draft: InviteDraft, portals: [PortalAddress], seed: borrowing SecretKey, now: UInt64
    ) throws(KeyringError) -> InviteCode {
        try draft.check(now: now)
        let key: InviteKey
        let code: InviteCode
        do throws(InviteCodeError) {
            code = try InviteCode(endpoint: owner, seed: seed, expiry: draft.expiry, portals: portals)
        } catch {
            throw .invite(error)
        }
        do throws(BlindingError) {
            key = InviteKey(try code.identity().publicKey)
        } catch {
            throw .outOfGuardedMemory
        }
        guard key.publicKey != owner.publicKey else { throw .ownKey }
        try store.change { (transaction, change) throws(KeyringError) in
            _ = try InviteTable<FriendInviteKind>.add(draft, key, &transaction, &change, now: now)
            try Ghost.giveWay(&transaction, change)
        }
        return code
    }

    /// Every invite that is open, or was within the last 30 days, the newest first.
    package func all() throws(KeyringError) -> [InviteRecord] {
        let invites = try store.read { (transaction) throws(KeyringError) in
            try InviteTable<FriendInviteKind>.all(transaction)
        }
        return invites.sorted { $0.sequence > $1.sequence }
    }

    /// Takes an invite back; who came by it stays a friend.
    ///
    /// - Returns: whether it was open.
    package func revoke(_ key: InviteKey, now: UInt64) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try InviteTable<FriendInviteKind>.close(key, &transaction, now: now) else { return false }
            change.mark()
            return true
        }
    }

    // MARK: Redeeming

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
                    outcomes.append(.success(try redeem(request, &transaction, &change, now: now)))
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
        do throws(KeyringError) {
            try FriendTable.checkUsable(request.friend.publicKey, owner: owner)
        } catch {
            return error
        }
        return nil
    }

    private func redeem(
        _ request: RedeemRequest, _ transaction: inout KeyringWriting, _ change: inout Change, now: UInt64
    ) throws(KeyringError) -> Redemption {
        let (invite, friend) = (request.invite, request.friend.publicKey)
        let known = try transaction.record(FriendRecord.self, friend)
        if let uses = known?.admission?.uses, uses.contains(invite) { return .admitted(isFresh: false) }
        guard let stored = try transaction.record(FriendInvite.self, invite.publicKey) else {
            return .refused(.revoked)
        }
        let tombstone = try transaction.record(TombstoneRecord.self, friend)
        if let refusal = stored.refusal(removedAt: tombstone?.sequence, now: now) {
            return .refused(refusal)
        }
        let isFresh = known?.admission == nil
        // First of all: where there is no room, nothing is written.
        if isFresh { try Ghost.giveWay(&transaction, change) }
        var record: FriendRecord
        if let known {
            record = known
        } else {
            let wanted = Petname.inside(stored.label) ?? Petname.fallback(friend)
            record = FriendRecord(name: try Petname.free(wanted, transaction))
            try FriendTable.insert(record, friend, &transaction)
        }
        var admission =
            record.admission
            ?? Admission(
                services: stored.services, invite: invite, since: now, sequence: change.sequence,
                uses: InviteUses())
        admission.services = admission.services.union(stored.services)
        try InviteTable<FriendInviteKind>.use(stored, invite, by: &admission.uses, &transaction, now: now)
        record.admission = admission
        try transaction.put(record, friend)
        change.mark()
        return .admitted(isFresh: isFresh)
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

/// What became of somebody who redeems an invite.
package enum Redemption: Hashable, Sendable {
    /// A friend or member from now on, or already; fresh where it was not one before.
    case admitted(isFresh: Bool)
    /// None by this invite; ``RedeemRefusal/removed`` for somebody who was removed since it was made, or is denied.
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
