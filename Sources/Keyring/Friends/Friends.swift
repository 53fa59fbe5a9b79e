package import Blinding
package import Invitation
internal import LMDB
package import TypedSodium

extension Keyring {
    /// Everybody in the keyring, by name.
    package func friends() throws(KeyringError) -> [Friend] {
        let friends = try store.read { (transaction) throws(KeyringError) in try transaction.friends() }
        return friends.sorted { $0.name < $1.name }
    }

    /// The friend with a name.
    package func friend(named name: String) throws(KeyringError) -> Friend? {
        guard Petname.isValid(name) else { return nil }
        return try store.read { (transaction) throws(KeyringError) in
            guard let found = try transaction.record(NameRecord.self, Array(name.utf8)) else { return nil }
            return try transaction.friend(found.key)
        }
    }

    /// The friend with a key.
    package func friend(_ key: PublicKey) throws(KeyringError) -> Friend? {
        try store.read { (transaction) throws(KeyringError) in try transaction.friend(key) }
    }

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
        try checkUsable(key)
        let services = try services.checked()
        return try store.change { (transaction, change) throws(KeyringError) in
            var record = try transaction.obtain(key, name: name)
            if record.admission == nil {
                record.admission = Admission(
                    services: services, invite: nil, since: now, sequence: change.sequence, uses: InviteUses()
                )
                try Ghost.giveWay(&transaction, change)
            }
            record.admission?.services = services
            try transaction.put(record, key)
            change.mark()
            return try transaction.friend(key, record)
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
        try checkUsable(key)
        let portals = portals.flatMap(\.places)
        guard portals.count <= InviteCode.portalCountLimit else { throw .tooManyPortals(portals.count) }
        return try store.change { (transaction, change) throws(KeyringError) in
            var record = try transaction.obtain(key, name: name)
            var reach = record.reach ?? Reach(portals: portals, isPending: false)
            reach.portals = portals.keepingShownKeys(of: reach.portals)
            record.reach = reach
            try transaction.put(record, key)
            change.mark()
            return try transaction.friend(key, record)
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
            try transaction.rename(key, &record, to: name)
            change.mark()
        }
    }

    /// The least time between two visits of a friend that are written down, in seconds.
    private static let visitSeconds: UInt64 = 3_600

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
        _ key: PublicKey, at place: PortalPlace?, _ transaction: borrowing Transaction<Access>, now: UInt64
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
            let friend = try transaction.friend(key, record)
            if try transaction.forget(key, record, change) { change.dropSecret() }
            try transaction.put(TombstoneRecord(sequence: change.sequence), key)
            var invites: [InviteOfRemoved] = []
            if let admission = record.admission {
                invites = try transaction.closeInvites(of: admission.uses, now: now)
                // Who was never let in was never given the circle's key.
                try OwnCircle.startGeneration(&transaction, &change, owner: owner, now: now)
            }
            change.mark()
            return Removal(friend: friend, invites: invites)
        }
    }

    /// Refuses keys with which nothing can be agreed on, before they become a friend's.
    func checkUsable(_ key: PublicKey) throws(KeyringError) {
        guard key != owner.publicKey else { throw .ownKey }
        do throws(SodiumError) { _ = try key.agreementKey() } catch { throw .unusableKey }
    }
}

extension Transaction where Access == Writing {
    /// The record of a friend, stored under its name; made where there is none.
    mutating func obtain(_ key: PublicKey, name: String?) throws(KeyringError) -> FriendRecord {
        if var record = try record(FriendRecord.self, key) {
            if let name { try rename(key, &record, to: name) }
            return record
        }
        let chosen: String
        if let name {
            try checkFree(name)
            chosen = name
        } else {
            chosen = try Petname.free(Petname.fallback(key), self)
        }
        let record = FriendRecord(name: chosen)
        try insert(record, key)
        return record
    }
}
