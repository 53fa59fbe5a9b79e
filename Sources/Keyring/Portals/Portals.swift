package import Blinding
package import Invitation
internal import LMDB
internal import TypedSodium

/// The portals that the keyring's owner has named.
package struct Portals: Sendable {
    let store: KeyringStore
    let owner: EndpointKey

    /// The portals at which this node announces itself, in the order in which they were added.
    package func announced() throws(KeyringError) -> [PortalRecord] {
        try store.read { (transaction) throws(KeyringError) in try Self.announced(transaction) }
    }

    /// Every portal that the owner has named, also those that are only dialled to reach friends.
    package func all() throws(KeyringError) -> [PortalRecord] {
        try store.read { (transaction) throws(KeyringError) in try Self.all(transaction) }
    }

    /// Adds a portal, or another host of one that is known; its openness counts for all of the portal's hosts.
    ///
    /// - Parameters:
    ///   - portal: which one, and where.
    ///   - isAnnounced: whether this node announces itself there; it goes on doing so where it does.
    ///   - now: Unix seconds.
    /// - Returns: what became of it.
    /// - Throws: ``KeyringError/ownKey`` or ``KeyringError/tooManyHosts`` among others.
    @discardableResult
    package func add(
        _ portal: PortalAddress, isAnnounced: Bool = true, now: UInt64
    ) throws(KeyringError) -> PortalAddition {
        guard portal.key.publicKey != owner.publicKey else { throw .ownKey }
        return try store.change { (transaction, change) throws(KeyringError) in
            let key = portal.key.publicKey
            guard let known = try transaction.record(PortalRecord.self, key) else {
                try transaction.put(
                    PortalRecord(portal: portal, addedAt: now, isAnnounced: isAnnounced), key)
                change.mark()
                return .added
            }
            let hosts = known.portal.hosts
            let isKnown = hosts.contains(portal.first)
            guard isKnown || hosts.count < PortalRecord.hostCountLimit else { throw .tooManyHosts }
            let manner = portal.keepingShownKey(of: [known.portal])
            let record = PortalRecord(
                portal: (isKnown ? known.portal : known.portal.adding(portal.first))
                    .inManner(isOpen: manner.isOpen, shownKey: manner.shownKey),
                addedAt: known.addedAt, isAnnounced: known.isAnnounced || isAnnounced)
            if record != known {
                try transaction.put(record, key)
                change.mark()
            }
            return isKnown ? .known : .hostAdded(to: hosts)
        }
    }

    /// Removes a portal with all its hosts.
    ///
    /// - Returns: whether it was there.
    package func remove(_ key: PortalKey) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.drop(PortalRecord.self, key.publicKey) else { return false }
            change.mark()
            return true
        }
    }

    /// Removes one host of a portal, and the portal with the last one.
    ///
    /// - Returns: the hosts that are left; `nil` where the portal was not known there.
    package func removeHost(_ place: PortalAddress) throws(KeyringError) -> [PortalAddress.Host]? {
        try store.change { (transaction, change) throws(KeyringError) in
            let key = place.key.publicKey
            guard let known = try transaction.record(PortalRecord.self, key),
                known.portal.listens(at: place)
            else { return nil }
            let left = known.portal.hosts.filter { $0 != place.first }
            if let portal = known.portal.at(left) {
                let record = PortalRecord(
                    portal: portal, addedAt: known.addedAt, isAnnounced: known.isAnnounced)
                try transaction.put(record, key)
            } else {
                try transaction.drop(PortalRecord.self, key)
            }
            change.mark()
            return left
        }
    }

    /// Says whether this node is open at a portal, reached by its plain id, from the next dial on.
    ///
    /// - Returns: whether the portal is there, and this node announced at it.
    package func set(_ key: PortalKey, isOpen: Bool) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard let known = try transaction.record(PortalRecord.self, key.publicKey), known.isAnnounced
            else { return false }
            guard known.portal.isOpen != isOpen else { return true }
            let portal = known.portal.inManner(isOpen: isOpen, shownKey: known.portal.shownKey)
            let record = PortalRecord(portal: portal, addedAt: known.addedAt)
            try transaction.put(record, key.publicKey)
            change.mark()
            return true
        }
    }

    // MARK: Within a transaction

    /// The portals at which the node announces itself, in the order in which they were added.
    static func announced<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> [PortalRecord] {
        try all(transaction).filter(\.isAnnounced)
    }

    /// Every portal that the owner has named, in the order in which they were added.
    static func all<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> [PortalRecord] {
        let portals = try transaction.records(PortalRecord.self).map(\.record)
        // The sort is not stable, so keys decide among those of one second.
        return portals.sorted { left, right in
            guard left.addedAt == right.addedAt else { return left.addedAt < right.addedAt }
            return left.portal.key.publicKey.bytes.array
                .lexicographicallyPrecedes(right.portal.key.publicKey.bytes.array)
        }
    }
}

/// What became of a portal, or another host of one, that was added.
package enum PortalAddition: Hashable, Sendable {
    /// The portal was not known.
    case added
    /// It was known at these hosts, and is at one more from now on.
    case hostAdded(to: [PortalAddress.Host])
    /// It was known at this host.
    case known
}
