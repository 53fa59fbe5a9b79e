public import Blinding
internal import LMDB
internal import Sodium

/// What became of somebody who redeems an invite.
public enum Redemption: Hashable, Sendable {
    /// A friend from now on, or already; fresh where it was not one before.
    case admitted(isFresh: Bool)
    /// No friend by this invite.
    case refused(RedeemRefusal)
}

/// Why an invite admits somebody not.
public enum RedeemRefusal: String, Hashable, Sendable {
    /// As many came by it as may.
    case usedUp = "invite used up"
    /// It was taken back, or is not known.
    case revoked = "invite revoked"
    /// Its time has passed.
    case expired = "invite expired"
    /// Who redeems it was removed since it was made.
    case removed = "removed"

    /// The text of the error that the redeemer is answered with.
    public var message: String { rawValue }

    init(_ reason: Closing.Reason) {
        self =
            switch reason {
            case .usedUp: .usedUp
            case .revoked: .revoked
            case .expired: .expired
            }
    }
}

extension Keyring {
    /// Admits a friend by an invite, in one transaction; the caller has checked the signature.
    ///
    /// Of any number that redeem at once, exactly as many win as the invite has uses. Who came by it already, and
    /// who is a friend already, costs none; the latter gains its services.
    ///
    /// - Throws: ``KeyringError/ownKey`` or ``KeyringError/unusableKey`` for a key that can be nobody's, besides
    ///   what the store throws.
    public func redeem(
        _ invite: InviteKey, by friend: FriendKey, now: UInt64
    ) throws(KeyringError) -> Redemption {
        guard friend.publicKey != invite.publicKey else { throw .unusableKey }
        try checkUsable(friend.publicKey)
        return try store.change { (transaction, change) throws(KeyringError) in
            let known = try transaction.record(FriendRecord.self, friend.publicKey)
            if let admission = known?.admission, admission.invite == invite {
                return .admitted(isFresh: false)
            }
            guard var stored = try transaction.record(StoredInvite.self, invite.publicKey) else {
                return .refused(.revoked)
            }
            if let refusal = try transaction.refusal(of: stored, to: friend, now: now) {
                return .refused(refusal)
            }
            change.mark()
            if var record = known, let admission = record.admission {
                record.admission?.services = admission.services.union(stored.services)
                try transaction.put(record, friend.publicKey)
                return .admitted(isFresh: false)
            }
            stored.usesLeft -= 1
            if stored.usesLeft == 0 { stored.closing = Closing(reason: .usedUp, at: now) }
            try transaction.put(stored, invite.publicKey)
            var record: FriendRecord
            if let known {
                record = known
            } else {
                record = try transaction.obtain(friend, calledAsIn: stored.label)
            }
            record.admission = Admission(
                services: stored.services, invite: invite, since: now, sequence: change.sequence)
            try transaction.put(record, friend.publicKey)
            try Ghost.giveWay(&transaction)
            return .admitted(isFresh: true)
        }
    }
}

extension Transaction where Access == Writing {
    /// Why an invite does not admit somebody; `nil` when it does.
    fileprivate borrowing func refusal(
        of invite: StoredInvite, to friend: FriendKey, now: UInt64
    ) throws(KeyringError) -> RedeemRefusal? {
        let tombstone = try record(TombstoneRecord.self, friend.publicKey)
        if let tombstone, tombstone.sequence > invite.sequence { return .removed }
        if let closing = invite.closing { return RedeemRefusal(closing.reason) }
        if let expiry = invite.expiry, now >= expiry { return .expired }
        return nil
    }

    /// The record of somebody who is not there yet, under a name made from an invite's label.
    fileprivate mutating func obtain(
        _ friend: FriendKey, calledAsIn label: String
    ) throws(KeyringError) -> FriendRecord {
        let wanted = Petname.inside(label) ?? Petname.fallback(friend.publicKey)
        let record = FriendRecord(name: try Petname.free(wanted, self))
        try insert(record, friend.publicKey)
        return record
    }
}
