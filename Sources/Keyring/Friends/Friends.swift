package import Blinding
package import Invitation
internal import LMDB
package import TypedSodium

/// Everybody in a keyring: who may reach its owner, and whom the owner can reach.
package struct Friends: Sendable {
    /// The least time between two visits of a friend that are written down, in seconds.
    private static let visitSeconds: UInt64 = 3_600

    let store: KeyringStore
    let owner: EndpointKey

    // MARK: Looking

    /// Everybody in the keyring, by name.
    package func all() throws(KeyringError) -> [Friend] {
        let friends = try store.read { (transaction) throws(KeyringError) in
            try FriendTable.friends(transaction)
        }
        return friends.sorted { $0.name < $1.name }
    }

    /// The friend with a name.
    package func find(named name: String) throws(KeyringError) -> Friend? {
        guard Petname.isValid(name) else { return nil }
        return try store.read { (transaction) throws(KeyringError) in
            guard let found = try transaction.record(NameRecord.self, Array(name.utf8)) else { return nil }
            return try FriendTable.friend(found.key, transaction)
        }
    }

    /// The friend with a key.
    package func find(_ key: PublicKey) throws(KeyringError) -> Friend? {
        try store.read { (transaction) throws(KeyringError) in try FriendTable.friend(key, transaction) }
    }

    // MARK: Changing

    /// Lets somebody in by id, without an invite; who is in already gets these services instead of the former.
    ///
    /// - Parameters:
    ///   - key: who it is.
    ///   - name: what to call it; `nil` for the name that it has, or one that is made of its key.
    ///   - services: what it may open.
    ///   - now: Unix seconds.
    /// - Returns: the friend as it is from now on.
    /// - Throws: ``KeyringError/ownKey``, ``KeyringError/unusableKey``, ``KeyringError/badName(_:)`` or
    ///   ``KeyringError/nameTaken(_:)`` among others.
    @discardableResult
    package func admit(
        _ key: PublicKey, name: String? = nil, services: ServiceGrant, now: UInt64
    ) throws(KeyringError) -> Friend {
        try FriendTable.checkUsable(key, owner: owner)
        let services = try services.checked()
        return try store.change { (transaction, change) throws(KeyringError) in
            var record = try FriendTable.obtain(key, name: name, &transaction)
            if record.admission == nil {
                record.admission = Admission(
                    services: services, invite: nil, since: now, sequence: change.sequence, uses: InviteUses()
                )
                try Ghost.giveWay(&transaction, change)
            }
            record.admission?.services = services
            try transaction.put(record, key)
            change.mark()
            return try FriendTable.friend(key, record, transaction)
        }
    }

    /// Notes by id somebody whom the owner may reach, without an invite; its circle's key comes with a grant.
    ///
    /// - Parameters:
    ///   - key: who it is.
    ///   - name: what to call it; `nil` for the name that it has, or one that is made of its key.
    ///   - portals: where it is found; they replace those known before.
    /// - Returns: the friend as it is from now on.
    /// - Throws: as ``admit(_:name:services:now:)``, or ``KeyringError/tooManyPortals(_:)``.
    @discardableResult
    package func addReach(
        to key: EndpointKey, name: String? = nil, portals: [PortalAddress]
    ) throws(KeyringError) -> Friend {
        let key = key.publicKey
        try FriendTable.checkUsable(key, owner: owner)
        let portals = portals.flatMap(\.places)
        guard portals.count <= InviteCode.portalCountLimit else { throw .tooManyPortals(portals.count) }
        return try store.change { (transaction, change) throws(KeyringError) in
            var record = try FriendTable.obtain(key, name: name, &transaction)
            var reach = record.reach ?? Reach(portals: portals, isPending: false)
            reach.portals = portals.map { $0.keepingShownKey(of: reach.portals) }
            record.reach = reach
            try transaction.put(record, key)
            change.mark()
            return try FriendTable.friend(key, record, transaction)
        }
    }

    /// Changes what a friend may open.
    ///
    /// - Throws: ``KeyringError/noSuchFriend`` or ``KeyringError/notAdmitted(name:)`` among others.
    package func allow(_ key: PublicKey, services: ServiceGrant) throws(KeyringError) {
        let services = try services.checked()
        try store.change { (transaction, change) throws(KeyringError) in
            guard var record = try transaction.record(FriendRecord.self, key) else { throw .noSuchFriend }
            guard record.admission != nil else { throw .notAdmitted(name: record.name) }
            guard record.admission?.services != services else { return }
            record.admission?.services = services
            try transaction.put(record, key)
            change.mark()
        }
    }

    /// Gives a friend another name.
    ///
    /// - Throws: ``KeyringError/noSuchFriend``, ``KeyringError/badName(_:)`` or ``KeyringError/nameTaken(_:)``
    ///   among others.
    package func rename(_ key: PublicKey, to name: String) throws(KeyringError) {
        try store.change { (transaction, change) throws(KeyringError) in
            guard var record = try transaction.record(FriendRecord.self, key) else { throw .noSuchFriend }
            guard record.name != name else { return }
            try FriendTable.rename(key, &record, to: name, &transaction)
            change.mark()
        }
    }

    /// Notes that a friend was seen, once an hour, so that one who calls again and again costs the disk nothing; and
    /// where it was reached, whenever that is another place than the last one.
    ///
    /// It is not a change with a number of its own.
    ///
    /// - Returns: whether it was written.
    @discardableResult
    package func markSeen(
        _ key: PublicKey, at place: PortalPlace? = nil, now: UInt64
    ) throws(KeyringError) -> Bool {
        let isKnown = try store.read { (transaction) throws(KeyringError) in
            try Self.isSeen(key, at: place, transaction, now: now)
        }
        guard !isKnown else { return false }
        return try store.change { (transaction, _) throws(KeyringError) in
            guard try !Self.isSeen(key, at: place, transaction, now: now) else { return false }
            let former = try transaction.record(SeenRecord.self, key)?.place
            try transaction.put(SeenRecord(at: now, place: place ?? former), key)
            return true
        }
    }

    /// Whether a visit need not be written down: there was one within the hour, or it is nobody's.
    private static func isSeen<Access>(
        _ key: PublicKey, at place: PortalPlace?, _ transaction: borrowing KeyringTransaction<Access>,
        now: UInt64
    ) throws(KeyringError) -> Bool {
        guard try transaction.record(FriendRecord.self, key) != nil else { return true }
        guard let seen = try transaction.record(SeenRecord.self, key) else { return false }
        guard place == nil || place == seen.place else { return false }
        return max(seen.at, now) - min(seen.at, now) < visitSeconds
    }

    /// Removes somebody, in one transaction: the relation both ways, and the circle's key, which it knows.
    ///
    /// A tombstone stays, so that no invite made before admits that key again; and every invite that ever admitted it
    /// is closed, so that the same person does not come back under another. The caller then drops its tokens at
    /// every portal, and closes its sessions.
    ///
    /// - Returns: what was known about it, and what became of its invites.
    /// - Throws: ``KeyringError/noSuchFriend`` among others.
    @discardableResult
    package func remove(_ key: PublicKey, now: UInt64) throws(KeyringError) -> Removal {
        try store.change { (transaction, change) throws(KeyringError) in
            guard let record = try transaction.record(FriendRecord.self, key) else { throw .noSuchFriend }
            let friend = try FriendTable.friend(key, record, transaction)
            if try FriendTable.forget(key, record, &transaction, change) { change.dropSecret() }
            try transaction.put(TombstoneRecord(sequence: change.sequence), key)
            var invites: [InviteOfRemoved] = []
            if let admission = record.admission {
                invites = try closeInvites(of: admission.uses, &transaction, now: now)
                // Who was never let in was never given the circle's key.
                try CircleTable.startGeneration(of: owner, &transaction, &change, now: now)
            }
            change.mark()
            return Removal(friend: friend, invites: invites)
        }
    }

    /// Closes every open invite that admitted somebody, or may have.
    ///
    /// - Returns: what became of each that still is remembered, the newest first.
    private func closeInvites(
        of uses: InviteUses, _ transaction: inout KeyringWriting, now: UInt64
    ) throws(KeyringError) -> [InviteOfRemoved] {
        let friends = try FriendTable.friends(transaction)
        let closed = try InviteTable<FriendInviteKind>.close(whatAdmitted: uses, &transaction, now: now)
        return closed.map { closed in
            InviteOfRemoved(
                invite: closed.invite, isRecorded: closed.isRecorded,
                others: friends.filter { $0.admission?.uses.contains(closed.invite.key) == true })
        }.sorted { $0.invite.sequence > $1.invite.sequence }
    }

    /// Notes many whom the owner may reach in one transaction, each by its own key and all with what one grant says;
    /// for measurements at sizes that nobody reaches one commit after the other.
    package func populate(
        _ keys: [PublicKey], with grant: borrowing CircleGrant
    ) throws(KeyringError) {
        let reach = Reach(portals: grant.portals, isPending: false)
        let (generation, epoch) = (grant.generation, grant.epoch)
        let secret = grant.key.copy()
        try store.change { (transaction, change) throws(KeyringError) in
            for key in keys {
                var record = try FriendTable.obtain(key, name: nil, &transaction)
                record.reach = reach
                try transaction.put(record, key)
                let circle = CircleRecord(
                    generation: generation, epoch: epoch, sealed: try change.seal(secret))
                try transaction.put(circle, key)
            }
            change.mark()
        }
    }
}

/// A friend who was removed, and what became of the invites that admitted it.
package struct Removal: Hashable, Sendable {
    /// What was known about it.
    package let friend: Friend
    /// Every invite that admitted it, or may have, as far as it is remembered; the newest first.
    package let invites: [InviteOfRemoved]
}

/// An invite that admitted somebody who was removed, or may have.
package struct InviteOfRemoved: Hashable, Sendable {
    /// As it was before; it is closed now.
    package let invite: InviteRecord
    /// Whether it is known that it admitted them; else it is closed because it was made before every redemption was
    /// recorded, and may have.
    package let isRecorded: Bool
    /// The other friends who came by it, as far as that was recorded.
    package let others: [Friend]

    /// Whether somebody else could still have come by it, who needs another one now.
    package var wasOpen: Bool { invite.closing == nil }
}
