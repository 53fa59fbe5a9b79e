internal import Blinding
internal import Invitation
internal import LMDB
internal import TypedSodium

/// Somebody whose addresses can be resolved; the owner of the keyring is one too.
struct ReachableCircle {
    let target: EndpointKey
    /// Those that its invite or grant named; no others are considered.
    let portals: [PortalAddress]
    /// Its circle's key, where that is known.
    let circle: CircleRecord?

    /// Gives what writes the circle's addresses, for each of some days in ascending order that the key can tell.
    func forEachDay(
        of days: [Epoch], _ vaultKey: borrowing SecretKey,
        _ body: (borrowing CircleAddressing) -> Step
    ) throws(KeyringError) {
        guard let circle, var key = circle.sealed.opened(under: vaultKey) else { return }
        var epoch = circle.epoch
        for day in days where day >= epoch && day.number - circle.epoch.number <= ChainKey.stepLimit {
            do throws(BlindingError) {
                if day > epoch { key = try ChainKey.advance(key, from: epoch, to: day) }
                epoch = day
                let addressing = try CircleAddressing(chainKey: key, epoch: day)
                if body(addressing) == .stop { return }
            } catch {
                throw .outOfGuardedMemory
            }
        }
    }
}

extension Transaction {
    /// Somebody whose addresses can be resolved, by key; `nil` when it cannot be reached.
    borrowing func reachable(_ key: PublicKey, owner: EndpointKey) throws(KeyringError) -> ReachableCircle? {
        if key == owner.publicKey { return try ownCircle(owner) }
        guard let reach = try record(FriendRecord.self, key)?.reach else { return nil }
        return ReachableCircle(
            target: EndpointKey(key), portals: reach.portals, circle: try record(CircleRecord.self, key))
    }

    /// Everybody whose addresses can be resolved.
    borrowing func forEachReachable(
        owner: EndpointKey, _ body: (ReachableCircle) throws(KeyringError) -> Step
    ) throws(KeyringError) {
        if try body(ownCircle(owner)) == .stop { return }
        try forEach(FriendRecord.self) { (key, friend) throws(KeyringError) in
            guard let reach = friend.reach else { return .next }
            return try body(
                ReachableCircle(
                    target: EndpointKey(key), portals: reach.portals,
                    circle: try record(CircleRecord.self, key)))
        }
    }

    private borrowing func ownCircle(_ owner: EndpointKey) throws(KeyringError) -> ReachableCircle {
        ReachableCircle(
            target: owner, portals: try portals().map(\.portal.atFirstHost),
            circle: try record(CircleRecord.self, owner.publicKey))
    }
}
