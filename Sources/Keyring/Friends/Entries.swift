package import Blinding
internal import LMDB
internal import Synchronization
package import TypedSodium

/// The pairs whose tokens a hidden endpoint announces: its friends, its invites, and ghosts.
///
/// They stand in guarded memory as long as they are entries, so that a change costs only what has changed. What a
/// portal takes is the limit; who is open everywhere needs no entries.
package final class Entries: Sendable {
    /// The most entries, three tokens each, that fit what a portal takes from a member.
    package static let countLimit = 4_096

    /// A pair in one place, because a collection cannot hold what cannot be copied.
    private final class Pair: Sendable {
        let key: PairKey

        init(_ key: consuming PairKey) { self.key = key }
    }

    private struct State: Sendable {
        /// The keyring's sequence number at the last update.
        var sequence: UInt64?
        var friends: [PublicKey: Pair] = [:]
        var ghosts: [UInt64: Pair] = [:]
    }

    private let identity: Identity
    private let state = Mutex(State())

    /// No entries as yet.
    package init(identity: Identity) { self.identity = identity }

    /// How many entries there are, a multiple of 16.
    package var count: Int { state.withLock { $0.friends.count + $0.ghosts.count } }

    /// Takes over what has changed in the keyring.
    ///
    /// - Returns: whether anything has, so that the new set must be announced.
    /// - Throws: ``KeyringError/tooManyEntries(_:limit:)`` among others; the former entries stay.
    package func update(from keyring: Keyring) throws(KeyringError) -> Bool {
        precondition(
            keyring.owner.publicKey == identity.publicKey, "entries are those of the keyring's owner")
        return try state.withLock { (state) throws(KeyringError) in
            let former = state
            let updated = try keyring.store.readSecrets {
                (transaction, vaultKey) throws(KeyringError) -> State? in
                let sequence = try transaction.number(.sequence)
                guard sequence != former.sequence else { return nil }
                var next = State(sequence: sequence)
                try collect(transaction, vaultKey, keyring.store.vault, from: former, &next)
                return next
            }
            guard let updated else { return false }
            state = updated
            return Set(updated.friends.keys) != Set(former.friends.keys)
                || Set(updated.ghosts.keys) != Set(former.ghosts.keys)
        }
    }

    /// The tokens to announce at a portal, in no order, with whom each is for; `nil` for a ghost.
    package func tokens(portal: PortalKey, epochs: [Epoch]) -> [PairToken: PublicKey?] {
        let entries = state.withLock { $0 }
        var tokens: [PairToken: PublicKey?] = [:]
        tokens.reserveCapacity((entries.friends.count + entries.ghosts.count) * epochs.count)
        for epoch in epochs {
            for (friend, pair) in entries.friends {
                tokens[pair.key.token(portal: portal, epoch: epoch)] = .some(friend)
            }
            for pair in entries.ghosts.values {
                tokens.updateValue(nil, forKey: pair.key.token(portal: portal, epoch: epoch))
            }
        }
        return tokens
    }

    /// How many entries there are once one joins a number of them when every ghost has given way; nobody does for whom
    /// there would be no room.
    ///
    /// The number of entries never shrinks: a keyring with too many could announce none of them, for good, and no
    /// running node would learn of its changes any more.
    package static func nextCount(above count: Int) throws(KeyringError) -> Int {
        // What stands in a file may be any number, and none may overflow.
        let next = (min(count, countLimit) / Ghost.step + 1) * Ghost.step
        guard next <= countLimit else { throw .tooManyEntries(next, limit: countLimit) }
        return next
    }

    private func collect(
        _ transaction: borrowing KeyringReading, _ vaultKey: borrowing SecretKey, _ vault: VaultFile,
        from former: State, _ next: inout State
    ) throws(KeyringError) {
        var wanted: [PublicKey] = []
        try transaction.forEach(FriendRecord.self) { (key, friend) throws(KeyringError) in
            if friend.admission != nil { wanted.append(key) }
            return .next
        }
        try transaction.forEach(FriendInvite.self) { (key, invite) throws(KeyringError) in
            if invite.isEntry { wanted.append(key) }
            return .next
        }
        let count = wanted.count + (try transaction.recordCount(Ghost.table))
        guard count <= Self.countLimit else { throw .tooManyEntries(count, limit: Self.countLimit) }
        for key in wanted {
            if let known = former.friends[key] {
                next.friends[key] = known
            } else {
                next.friends[key] = try pair(with: key)
            }
        }
        try Ghost.forEach(transaction, vaultKey, vault: vault) { (number, secret) throws(KeyringError) in
            if let known = former.ghosts[number] {
                next.ghosts[number] = known
            } else {
                next.ghosts[number] = try Self.pair { () throws(BlindingError) in
                    try PairKey(ghost: secret)
                }
            }
        }
    }

    private func pair(with key: PublicKey) throws(KeyringError) -> Pair {
        try Self.pair { () throws(BlindingError) in try PairKey(endpoint: identity, friend: FriendKey(key)) }
    }

    private static func pair(_ make: () throws(BlindingError) -> PairKey) throws(KeyringError) -> Pair {
        do throws(BlindingError) {
            return Pair(try make())
        } catch {
            throw error == .outOfGuardedMemory ? .outOfGuardedMemory : .unusableKey
        }
    }
}
