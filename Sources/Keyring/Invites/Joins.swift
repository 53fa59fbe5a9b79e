package import Blinding
package import Invitation
internal import LMDB
internal import TypedSodium

/// The invites of others that the keyring's owner has accepted and has yet to redeem.
package struct Joins: Sendable {
    let store: KeyringStore
    let owner: EndpointKey

    /// Accepts an invite: stores the one who made it, pending, and the seed until the invite is redeemed.
    ///
    /// Stored before anything is dialled, so that a redeem that was cut short can be resumed.
    ///
    /// - Throws: ``KeyringError/ownKey`` for one's own invite, ``KeyringError/badName(_:)`` or
    ///   ``KeyringError/nameTaken(_:)`` among others.
    @discardableResult
    package func begin(
        _ code: borrowing InviteCode, name: String? = nil, now: UInt64
    ) throws(KeyringError) -> Friend {
        let key = code.endpoint.publicKey
        try FriendTable.checkUsable(key, owner: owner)
        let invite: Identity
        do throws(BlindingError) { invite = try code.identity() } catch { throw .outOfGuardedMemory }
        let (expiry, portals) = (code.expiry, code.portals)
        return try store.change { (transaction, change) throws(KeyringError) in
            var record = try FriendTable.obtain(key, name: name, &transaction)
            var reach = record.reach ?? Reach(portals: portals, isPending: true)
            reach.portals = portals.map { $0.keepingShownKey(of: reach.portals) }
            reach.isPending = true
            record.reach = reach
            // The seed of an invite that was accepted before and is given up for this one.
            if try transaction.record(PendingRecord.self, key) != nil { change.dropSecret() }
            let pending = PendingRecord(
                expiry: expiry, portals: portals, sealed: try change.seal(invite.seed()))
            try transaction.put(pending, key)
            try transaction.put(record, key)
            change.mark()
            return try FriendTable.friend(key, record, transaction)
        }
    }

    /// The invite of an endpoint that has yet to be redeemed; `nil` when there is none.
    package func pending(of endpoint: EndpointKey) throws(KeyringError) -> InviteCode? {
        try store.readSecrets { (transaction, key) throws(KeyringError) -> InviteCode? in
            guard let pending = try transaction.record(PendingRecord.self, endpoint.publicKey) else {
                return nil
            }
            guard let seed = pending.sealed.opened(under: key) else {
                throw .vaultLost(path: store.vault.path)
            }
            do throws(InviteCodeError) {
                return try InviteCode(
                    endpoint: endpoint, seed: seed, expiry: pending.expiry, portals: pending.portals)
            } catch {
                throw .invite(error)
            }
        }
    }

    /// Notes that an invite was redeemed, and wipes its seed, as ``Circle/take(_:from:now:)`` does too.
    package func complete(of endpoint: EndpointKey, now: UInt64) throws(KeyringError) {
        try store.change { (transaction, change) throws(KeyringError) in
            guard var record = try transaction.record(FriendRecord.self, endpoint.publicKey) else {
                throw .noSuchFriend
            }
            if try Self.complete(&record, endpoint.publicKey, &transaction, &change) {
                try transaction.put(record, endpoint.publicKey)
            }
        }
    }

    /// Gives up an invite that was not redeemed; its seed is wiped, and with it whoever was in the keyring for
    /// nothing else.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    package func abandon(of endpoint: EndpointKey) throws(KeyringError) -> Bool {
        let key = endpoint.publicKey
        return try store.change { (transaction, change) throws(KeyringError) in
            guard try Self.abandon(key, &transaction, change) != nil else { return false }
            change.dropSecret()
            return true
        }
    }

    // MARK: Within a transaction

    /// Gives up a pending invite, and what was stored for it alone.
    ///
    /// - Returns: the friend as it was; `nil` when nothing was pending.
    static func abandon(
        _ key: PublicKey, _ transaction: inout KeyringWriting, _ change: borrowing Change
    ) throws(KeyringError) -> Friend? {
        guard var record = try transaction.record(FriendRecord.self, key), record.reach?.isPending == true
        else {
            return nil
        }
        let friend = try FriendTable.friend(key, record, transaction)
        try transaction.drop(PendingRecord.self, key)
        // Who was reached before still is.
        if try transaction.record(CircleRecord.self, key) != nil {
            record.reach?.isPending = false
        } else {
            record.reach = nil
        }
        if record.reach == nil, record.admission == nil {
            _ = try FriendTable.forget(key, record, &transaction, change)
        } else {
            try transaction.put(record, key)
        }
        return friend
    }

    /// Ends the pending state of a friend's record, which the caller stores.
    ///
    /// - Returns: whether it was pending.
    static func complete(
        _ record: inout FriendRecord, _ key: PublicKey, _ transaction: inout KeyringWriting,
        _ change: inout Change
    ) throws(KeyringError) -> Bool {
        if try transaction.drop(PendingRecord.self, key) { change.dropSecret() }
        guard record.reach?.isPending == true else { return false }
        record.reach?.isPending = false
        change.mark()
        return true
    }
}
