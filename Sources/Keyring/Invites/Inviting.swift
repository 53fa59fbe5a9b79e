package import Blinding
package import Invitation
internal import LMDB
package import TypedSodium

extension Keyring {
    /// Makes an invite, of which only the public half is kept.
    ///
    /// - Parameters:
    ///   - draft: what it is to be.
    ///   - portals: where its reader finds the owner, one to eight.
    ///   - seed: fresh and random.
    ///   - now: Unix seconds.
    /// - Returns: the code, which is shown once and cannot be had again.
    /// - Throws: ``KeyringError``.
    package func createInvite(
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
            guard try transaction.record(StoredInvite.self, key.publicKey) == nil else { throw .seedUsed }
            let invite = try StoredInvite(draft, now: now, sequence: change.sequence)
            try transaction.put(invite, key.publicKey)
            try Ghost.giveWay(&transaction, change)
            change.mark()
        }
        return code
    }

    /// Every invite that is open, or was within the last 30 days, the newest first.
    package func invites() throws(KeyringError) -> [InviteRecord] {
        let invites = try store.read { (transaction) throws(KeyringError) in
            try transaction.records(StoredInvite.self)
        }
        return invites.map { $0.record.invite(InviteKey($0.key)) }.sorted { $0.sequence > $1.sequence }
    }

    /// Takes an invite back; who came by it stays a friend.
    ///
    /// - Returns: whether it was open.
    package func revokeInvite(_ key: InviteKey, now: UInt64) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.close(key, .revoked, now: now) else { return false }
            change.mark()
            return true
        }
    }
}
