public import Blinding
internal import LMDB
internal import Sodium

extension Keyring {
    /// The portals at which this node announces itself, in the order in which they were added.
    public func portals() throws(KeyringError) -> [PortalRecord] {
        try store.read { (transaction) throws(KeyringError) in try transaction.portals() }
    }

    /// Adds a portal, or gives one that is there another place and openness.
    public func addPortal(_ portal: InvitePortal, now: UInt64) throws(KeyringError) {
        guard portal.key.publicKey != owner.publicKey else { throw .ownKey }
        try store.change { (transaction, change) throws(KeyringError) in
            let key = portal.key.publicKey
            let known = try transaction.record(PortalRecord.self, key)
            let portal = [portal].keepingShownKeys(of: known.map { [$0.portal] } ?? [])[0]
            guard known?.portal != portal else { return }
            try transaction.put(PortalRecord(portal: portal, addedAt: known?.addedAt ?? now), key)
            change.mark()
        }
    }

    /// Removes a portal.
    ///
    /// - Returns: whether it was there.
    public func removePortal(_ key: PortalKey) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard try transaction.drop(PortalRecord.self, key.publicKey) else { return false }
            change.mark()
            return true
        }
    }

    /// Says whether this node is open at a portal, reached by its plain id, from the next dial on.
    ///
    /// - Returns: whether the portal is there.
    public func setPortal(_ key: PortalKey, isOpen: Bool) throws(KeyringError) -> Bool {
        try store.change { (transaction, change) throws(KeyringError) in
            guard let known = try transaction.record(PortalRecord.self, key.publicKey) else { return false }
            guard known.portal.isOpen != isOpen else { return true }
            let portal: InvitePortal
            do throws(InviteCodeError) {
                portal = try InvitePortal(
                    key: key, host: known.portal.host, port: known.portal.port, isOpen: isOpen,
                    shownKey: known.portal.shownKey)
            } catch {
                throw .invite(error)
            }
            try transaction.put(PortalRecord(portal: portal, addedAt: known.addedAt), key.publicKey)
            change.mark()
            return true
        }
    }
}

extension Transaction {
    /// The portals in the order in which they were added.
    borrowing func portals() throws(KeyringError) -> [PortalRecord] {
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
