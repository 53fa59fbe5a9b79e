public import Blinding
internal import LMDB
public import Sodium

extension Keyring {
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
    public func grant(
        name: String, to friend: PublicKey? = nil, now: UInt64
    ) throws(KeyringError) -> CircleGrant {
        let today = Epoch(unixSeconds: now)
        return try store.readSecrets { (transaction, vaultKey) throws(KeyringError) in
            // In one look with the key: whoever is removed meanwhile gets the former one or none.
            if let friend, try transaction.record(FriendRecord.self, friend)?.admission == nil {
                throw .noSuchFriend
            }
            let circle = try transaction.circle(of: owner)
            guard circle.epoch <= today.next ?? today else {
                throw .wrongClock(today: today, key: circle.epoch)
            }
            let epoch = max(circle.epoch, today.previous ?? today)
            let portals = Array(try transaction.portals().places.prefix(InviteCode.portalCountLimit))
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
    public func take(
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
            if !portals.isEmpty { reach.portals = portals.keepingShownKeys(of: reach.portals) }
            let isCurrent = record.reach == reach
            record.reach = reach
            let wasPending = try transaction.completeJoin(&record, key, &change)
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

    /// The generation of the owner's circle.
    public func generation() throws(KeyringError) -> UInt64 {
        try store.read { (transaction) throws(KeyringError) in try transaction.circle(of: owner).generation }
    }

    /// What writes the owner's own addresses on a day.
    ///
    /// - Throws: ``KeyringError/wrongClock(today:key:)`` for a day before the generation's, or far after.
    public func ownAddressing(at epoch: Epoch) throws(KeyringError) -> CircleAddressing {
        try store.readSecrets { (transaction, vaultKey) throws(KeyringError) in
            let circle = try transaction.circle(of: owner)
            let key = try chainKey(of: circle, at: epoch, vaultKey)
            do throws(BlindingError) {
                return try CircleAddressing(chainKey: key, epoch: epoch)
            } catch {
                throw .outOfGuardedMemory
            }
        }
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

extension Transaction {
    /// The circle of the keyring's owner, which is there from the beginning.
    borrowing func circle(of owner: EndpointKey) throws(KeyringError) -> CircleRecord {
        guard let circle = try record(CircleRecord.self, owner.publicKey) else {
            throw .inconsistent("it has no circle")
        }
        return circle
    }
}
