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

    /// The portal that an `hmac1` value hides.
    func portal(of value: Hmac1Value) -> Resolution? {
        portals.first { value.matches(target: target, portal: $0.key) }
            .map { Resolution(target: target, portal: $0) }
    }

    /// The portal that a value of a day hides, shown or sealed.
    func portal(
        _ days: [Epoch], _ vaultKey: borrowing SecretKey,
        isMeant: (borrowing CircleAddressing, EndpointKey, PortalKey) -> Bool
    ) throws(KeyringError) -> Resolution? {
        var found: Resolution?
        try forEachDay(of: days, vaultKey) { addressing in
            let portal = portals.first { isMeant(addressing, target, $0.key) }
            found = portal.map { Resolution(target: target, portal: $0) }
            return found == nil ? .next : .stop
        }
        return found
    }

    // MARK: Within a transaction

    /// Somebody whose addresses can be resolved, by key; `nil` when it cannot be reached.
    static func find<Access>(
        _ key: PublicKey, owner: EndpointKey, _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> ReachableCircle? {
        if key == owner.publicKey { return try own(owner, transaction) }
        guard let reach = try transaction.record(FriendRecord.self, key)?.reach else { return nil }
        return ReachableCircle(
            target: EndpointKey(key), portals: reach.portals,
            circle: try transaction.record(CircleRecord.self, key))
    }

    /// Everybody whose addresses can be resolved.
    static func forEach<Access>(
        owner: EndpointKey, _ transaction: borrowing KeyringTransaction<Access>,
        _ body: (ReachableCircle) throws(KeyringError) -> Step
    ) throws(KeyringError) {
        if try body(own(owner, transaction)) == .stop { return }
        try transaction.forEach(FriendRecord.self) { (key, friend) throws(KeyringError) in
            guard let reach = friend.reach else { return .next }
            return try body(
                ReachableCircle(
                    target: EndpointKey(key), portals: reach.portals,
                    circle: try transaction.record(CircleRecord.self, key)))
        }
    }

    private static func own<Access>(
        _ owner: EndpointKey, _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> ReachableCircle {
        ReachableCircle(
            target: owner, portals: try Portals.announced(transaction).map(\.portal.atFirstHost),
            circle: try transaction.record(CircleRecord.self, owner.publicKey))
    }
}
