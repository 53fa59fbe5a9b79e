public import Blinding
internal import LMDB
internal import Sodium

/// What became of a portal, or another host of one, that was added.
public enum PortalAddition: Hashable, Sendable {
    /// The portal was not known.
    case added
    /// It was known at these hosts, and is at one more from now on.
    case hostAdded(to: [InvitePortal])
    /// It was known at this host.
    case known
}

extension Keyring {
    /// The portals at which this node announces itself, in the order in which they were added.
    public func portals() throws(KeyringError) -> [PortalRecord] {
        try store.read { (transaction) throws(KeyringError) in try transaction.portals() }
    }

    /// Every portal that the owner has named, also those that are only dialled to reach friends.
    public func namedPortals() throws(KeyringError) -> [PortalRecord] {
        try store.read { (transaction) throws(KeyringError) in try transaction.namedPortals() }
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
    public func addPortal(
        _ portal: InvitePortal, isAnnounced: Bool = true, now: UInt64
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
            let portal = [portal].keepingShownKeys(of: [known.portal])[0]
            let isKnown = known.hosts.contains { $0.isSamePlace(as: portal) }
            var hosts = isKnown ? known.hosts : known.hosts + [portal]
            guard hosts.count <= PortalRecord.hostCountLimit else { throw .tooManyHosts }
            for index in hosts.indices { hosts[index] = try hosts[index].inManner(of: portal) }
            let record = PortalRecord(
                portal: hosts[0], others: Array(hosts.dropFirst()), addedAt: known.addedAt,
                isAnnounced: known.isAnnounced || isAnnounced)
            if record != known {
                try transaction.put(record, key)
                change.mark()
            }
            return isKnown ? .known : .hostAdded(to: known.hosts)
        }
    }

    /// Removes a portal with all its hosts.
    ///
    /// - Returns: whether it was there.
    public func removePortal(_ key: PortalKey) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.drop(PortalRecord.self, key.publicKey) else { return false }
            change.mark()
            return true
        }
    }

    /// Removes one host of a portal, and the portal with the last one.
    ///
    /// - Returns: the hosts that are left; `nil` where the portal was not known there.
    public func removeHost(_ place: InvitePortal) throws(KeyringError) -> [InvitePortal]? {
        try store.change { (transaction, change) throws(KeyringError) in
            let key = place.key.publicKey
            guard let known = try transaction.record(PortalRecord.self, key),
                known.hosts.contains(where: { $0.isSamePlace(as: place) })
            else { return nil }
            let left = known.hosts.filter { !$0.isSamePlace(as: place) }
            if let first = left.first {
                let record = PortalRecord(
                    portal: first, others: Array(left.dropFirst()), addedAt: known.addedAt,
                    isAnnounced: known.isAnnounced)
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
    public func setPortal(_ key: PortalKey, isOpen: Bool) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard let known = try transaction.record(PortalRecord.self, key.publicKey), known.isAnnounced
            else { return false }
            guard known.portal.isOpen != isOpen else { return true }
            var hosts: [InvitePortal] = []
            for host in known.hosts {
                do throws(InviteCodeError) {
                    hosts.append(
                        try InvitePortal(
                            key: key, host: host.host, port: host.port, isOpen: isOpen,
                            shownKey: host.shownKey))
                } catch {
                    throw .invite(error)
                }
            }
            let record = PortalRecord(
                portal: hosts[0], others: Array(hosts.dropFirst()), addedAt: known.addedAt)
            try transaction.put(record, key.publicKey)
            change.mark()
            return true
        }
    }
}

extension Transaction {
    /// The portals at which the node announces itself, in the order in which they were added.
    borrowing func portals() throws(KeyringError) -> [PortalRecord] {
        try namedPortals().filter(\.isAnnounced)
    }

    /// Every portal that the owner has named, in the order in which they were added.
    borrowing func namedPortals() throws(KeyringError) -> [PortalRecord] {
        let portals = try records(PortalRecord.self).map(\.record)
        // The sort is not stable, so keys decide among those of one second.
        return portals.sorted { left, right in
            guard left.addedAt == right.addedAt else { return left.addedAt < right.addedAt }
            return left.portal.key.publicKey.bytes.array
                .lexicographicallyPrecedes(right.portal.key.publicKey.bytes.array)
        }
    }
}

extension [InvitePortal] {
    /// The same portals, with the keys that others of the same portals show where these say none: what is shown at a
    /// portal never changes, and who does not name it, as an endpoint of an earlier version, does not deny it either.
    func keepingShownKeys(of former: [InvitePortal]) -> [InvitePortal] {
        map { portal in
            guard portal.shownKey == nil else { return portal }
            return portal.showing(former.first { $0.key == portal.key && $0.shownKey != nil }?.shownKey)
        }
    }
}
