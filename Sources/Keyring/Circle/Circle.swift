package import Blinding
internal import Invitation
internal import LMDB
package import Multiserver
package import TypedSodium

/// The keys of circles: the owner's own, which friends are granted, and those that friends have granted.
///
/// Source: docs/protocol.md, "The circle".
package struct Circle: Sendable {
    let store: KeyringStore
    let owner: EndpointKey
    let clock: KeyringClock

    // MARK: Granting

    /// What a friend is answered when it calls `circle.grant`: yesterday's key, or today's where the generation
    /// began today.
    ///
    /// - Parameters:
    ///   - name: what this node calls itself.
    ///   - friend: who asks; `nil` for the owner itself.
    ///   - now: Unix seconds.
    /// - Returns: the grant, with the first eight portals, and where there is room further hosts of them.
    /// - Throws: ``KeyringError/noSuchFriend`` when whoever asks is not let in by the keyring,
    ///   ``KeyringError/wrongClock(today:key:)`` when the clock is far from the key's day, or
    ///   ``KeyringError/badNodeName``, among others.
    package func grant(
        name: String, to friend: PublicKey? = nil, now: UInt64
    ) throws(KeyringError) -> CircleGrant {
        let today = Epoch(unixSeconds: now)
        return try store.readSecrets { (transaction, vaultKey) throws(KeyringError) in
            // In one look with the key: whoever is removed meanwhile gets the former one or none.
            if let friend, try transaction.record(FriendRecord.self, friend)?.admission == nil {
                throw .noSuchFriend
            }
            let circle = try CircleTable.own(owner, transaction)
            guard circle.epoch <= today.next ?? today else {
                throw .wrongClock(today: today, key: circle.epoch)
            }
            let epoch = max(circle.epoch, today.previous ?? today)
            let portals = Array(
                PortalRecord.places(of: try Portals.announced(transaction)).prefix(
                    InviteCode.portalCountLimit))
            return try CircleGrant(
                name: name, generation: circle.generation, epoch: epoch,
                key: try chainKey(of: circle, at: epoch, vaultKey), portals: portals)
        }
    }

    /// Takes what an endpoint granted: a later generation at once, an earlier one never, and of the same one the key of
    /// an earlier day where the known one does not tell today.
    ///
    /// Whatever the generation's, name and portals of a grant that is not older replace those known before, unless
    /// it names no portal; and an invite of the endpoint's that was pending is done.
    ///
    /// - Throws: ``KeyringError/noSuchFriend`` when the endpoint is not in the keyring.
    package func take(
        _ grant: borrowing CircleGrant, from endpoint: EndpointKey, now: UInt64
    ) throws(KeyringError) -> GrantOutcome {
        let today = Epoch(unixSeconds: now)
        guard today.accepts(grant.epoch) else {
            return .clocksDiffer(theirs: grant.epoch, ours: today)
        }
        let (generation, epoch, name, portals) = (grant.generation, grant.epoch, grant.name, grant.portals)
        let secret = grant.key.copy()
        let key = endpoint.publicKey
        return try store.change { (transaction, change) throws(KeyringError) in
            guard var record = try transaction.record(FriendRecord.self, key) else { throw .noSuchFriend }
            let known = try transaction.record(CircleRecord.self, key)
            if let known, known.generation > generation { return .older }

            var reach = record.reach ?? Reach(portals: portals, isPending: false)
            reach.nodeName = name
            if !portals.isEmpty { reach.portals = portals.map { $0.keepingShownKey(of: reach.portals) } }
            let isCurrent = record.reach == reach
            record.reach = reach
            let wasPending = try Joins.complete(&record, key, &transaction, &change)
            if !isCurrent || wasPending {
                try transaction.put(record, key)
                change.mark()
            }
            // The key of a later day, moved on under a clock that was ahead, tells less than what is granted.
            if let known, known.generation == generation, known.epoch <= today || epoch >= known.epoch {
                return .kept
            }
            let circle = CircleRecord(
                generation: generation, epoch: epoch, sealed: try change.seal(secret))
            try transaction.put(circle, key)
            change.mark()
            if known != nil { change.dropSecret() }
            return .taken
        }
    }

    // MARK: Addresses

    /// The generation of the owner's circle.
    package func generation() throws(KeyringError) -> UInt64 {
        try store.read { (transaction) throws(KeyringError) in
            try CircleTable.own(owner, transaction).generation
        }
    }

    /// What writes the owner's own addresses on a day.
    ///
    /// - Throws: ``KeyringError/wrongClock(today:key:)`` for a day before the generation's, or far after.
    package func ownAddressing(at epoch: Epoch) throws(KeyringError) -> CircleAddressing {
        try store.readSecrets { (transaction, vaultKey) throws(KeyringError) in
            let circle = try CircleTable.own(owner, transaction)
            let key = try chainKey(of: circle, at: epoch, vaultKey)
            do throws(BlindingError) {
                return try CircleAddressing(chainKey: key, epoch: epoch)
            } catch {
                throw .outOfGuardedMemory
            }
        }
    }

    /// What a blinded address means, yesterday, today or tomorrow; `nil` when the keyring knows nobody whose it is.
    ///
    /// Nothing is dialled. This is for one address: it looks at everybody where the target is hidden, so a node that resolves many uses a
    /// ``Resolver``. Only portals that the target's invite or grant named are considered.
    package func resolve(_ address: BlindedAddress, now: UInt64) throws(KeyringError) -> Resolution? {
        let days = Epoch(unixSeconds: now).window
        return try store.readSecrets { (transaction, vaultKey) throws(KeyringError) -> Resolution? in
            switch address {
            case .hmac1(let value, let target):
                guard let known = try ReachableCircle.find(target.key, owner: owner, transaction) else {
                    return nil
                }
                return known.portal(of: Hmac1Value(value))
            case .circle1(let value, let target):
                guard let known = try ReachableCircle.find(target.key, owner: owner, transaction) else {
                    return nil
                }
                return try known.portal(days, vaultKey) {
                    $0.value(target: $1, portal: $2) == CircleValue(value)
                }
            case .sealed(let value):
                var found: Resolution?
                try ReachableCircle.forEach(owner: owner, transaction) { (known) throws(KeyringError) in
                    found = try known.portal(days, vaultKey) {
                        $0.sealedValue(target: $1, portal: $2) == CircleValue(value)
                    }
                    return found == nil ? .next : .stop
                }
                return found
            }
        }
    }

    // MARK: Keys of later days

    /// Looks for keys that do not tell today.
    package func laterKeys(now: UInt64) throws(KeyringError) -> LaterKeys {
        let today = Epoch(unixSeconds: now)
        return try store.read { (transaction) throws(KeyringError) in
            var found = LaterKeys()
            try transaction.forEach(CircleRecord.self) { (key, circle) throws(KeyringError) in
                guard circle.epoch > today else { return .next }
                if key == owner.publicKey {
                    found.own = circle.epoch
                } else if let friend = try FriendTable.friend(key, transaction) {
                    found.friends.append(friend)
                }
                return .next
            }
            found.friends.sort { $0.name < $1.name }
            return found
        }
    }

    /// Does away with keys that do not tell today, where a portal or the owner has vouched for the clock: a new generation
    /// of the owner's circle begins, and friends are asked for theirs at the next connect.
    ///
    /// - Returns: whether it was done; nothing is where nobody vouches for the clock.
    package func replaceLaterKeys(now: UInt64) throws(KeyringError) -> Bool {
        guard clock.isVouchedFor else { return false }
        let today = Epoch(unixSeconds: now)
        try store.change { (transaction, change) throws(KeyringError) in
            for (key, circle) in try transaction.records(CircleRecord.self) where circle.epoch > today {
                if key == owner.publicKey {
                    try CircleTable.startGeneration(of: owner, &transaction, &change, now: now)
                } else {
                    try transaction.drop(CircleRecord.self, key)
                    change.dropSecret()
                }
            }
        }
        return true
    }

    private func chainKey(
        of circle: CircleRecord, at epoch: Epoch, _ vaultKey: borrowing SecretKey
    ) throws(KeyringError) -> SecretKey {
        guard let key = circle.sealed.opened(under: vaultKey) else {
            throw .vaultLost(path: store.vault.path)
        }
        do throws(BlindingError) {
            return try ChainKey.advance(key, from: circle.epoch, to: epoch)
        } catch {
            throw .wrongClock(today: epoch, key: circle.epoch)
        }
    }
}

/// Keys that begin on a later day than today, as they do once they were moved on under a clock that was ahead.
///
/// No address of today is written or resolved with them, and the keys of before cannot be had back.
package struct LaterKeys: Hashable, Sendable {
    /// The day on which the owner's own begins; `nil` where it tells today.
    package internal(set) var own: Epoch?
    /// Those whose circle's key is one, by name.
    package internal(set) var friends: [Friend] = []

    /// Whether every key tells today.
    package var isEmpty: Bool { own == nil && friends.isEmpty }
}
