internal import Blinding
internal import LMDB
internal import TypedSodium

/// How a keyring comes to be, and is recognised.
enum KeyringBirth {
    /// What opening must know.
    struct Opened {
        let isCopy: Bool
    }

    /// Checks that the store is this owner's and that its vault opens it; gives an empty one to the owner.
    static func recognize(
        _ store: KeyringStore, owner: EndpointKey, now: UInt64
    ) throws(KeyringError) -> Opened {
        let isUnowned = try store.read { (transaction) throws(KeyringError) in
            try transaction.owner() == nil
        }
        if isUnowned { try give(store, to: owner, now: now) }
        let isCopy = try store.read { (transaction) throws(KeyringError) in
            guard let found = try transaction.owner() else { throw .inconsistent("it has no owner") }
            guard found == owner.publicKey else {
                throw .otherOwner(found, expected: owner.publicKey)
            }
            return try transaction.number(.copy) != nil
        }
        if !isCopy { try checkVault(store, owner: owner) }
        return Opened(isCopy: isCopy)
    }

    /// The first contents of a keyring: a circle without friends, and ghosts in the place of entries.
    private static func give(
        _ store: KeyringStore, to owner: EndpointKey, now: UInt64
    ) throws(KeyringError) {
        try store.change { (transaction, change) throws(KeyringError) in
            // Another process may have been faster.
            guard try transaction.owner() == nil else { return }
            for table in KeyringStore.schema.tables where try transaction.recordCount(table) > 0 {
                throw .inconsistent("it has no owner")
            }
            try fill(&transaction, &change, owner: owner, now: now)
        }
    }

    private static func fill(
        _ transaction: inout KeyringWriting, _ change: inout Change, owner: EndpointKey, now: UInt64
    ) throws(KeyringError) {
        change.goOnWithoutVault()
        try transaction.setOwner(owner.publicKey)
        try transaction.set(.opened, to: now)
        try CircleTable.startGeneration(of: owner, &transaction, &change, now: now)
        try Ghost.add(Ghost.step, &transaction, change)
        try transaction.set(.entries, to: UInt64(Ghost.step))
    }

    /// Checks that the vault is this keyring's, by what is always sealed: the owner's own chain key.
    private static func checkVault(_ store: KeyringStore, owner: EndpointKey) throws(KeyringError) {
        let isRight = try store.readSecrets { (transaction, key) throws(KeyringError) in
            guard let circle = try transaction.record(CircleRecord.self, owner.publicKey) else {
                throw .inconsistent("it has no circle")
            }
            return circle.sealed.opened(under: key) != nil
        }
        guard isRight else { throw .vaultLost(path: store.vault.path) }
    }
}
