internal import LMDB
internal import TypedSodium

/// One change of the keyring while it is being made.
struct Change: ~Copyable {
    /// The sequence number of the keyring once the change is made.
    private(set) var sequence: UInt64
    /// Whether anything is changed that others should see.
    private(set) var isEffective = false
    /// Whether a chain key or a seed is dropped, replaced or advanced, so that the vault needs a fresh key.
    private(set) var rotates = false

    private let vault: VaultFile
    /// What the secrets of the store are sealed under; a random key, which opens nothing, where it is lost.
    private var key: SecretKey
    private var hasKey: Bool
    /// The slot of that key, which is not touched before the commit.
    private var slotIndex: Int?

    init<Access>(_ transaction: borrowing KeyringTransaction<Access>, vault: VaultFile) throws(KeyringError) {
        let sequence = (try transaction.number(.sequence) ?? 0) &+ 1
        if let recorded = try transaction.number(.vault), let slot = try vault.slot(recorded) {
            self.init(sequence: sequence, vault: vault, key: slot.key.copy(), slotIndex: slot.index)
        } else {
            self.init(sequence: sequence, vault: vault, key: try Self.freshKey(), slotIndex: nil)
        }
    }

    private init(sequence: UInt64, vault: VaultFile, key: consuming SecretKey, slotIndex: Int?) {
        self.sequence = sequence
        self.vault = vault
        self.key = key
        self.slotIndex = slotIndex
        hasKey = slotIndex != nil
    }

    /// Says that something was changed.
    mutating func mark() { isEffective = true }

    /// Says that a secret was dropped, replaced or advanced.
    mutating func dropSecret() {
        isEffective = true
        rotates = true
    }

    /// Seals a secret under the current key of the vault.
    borrowing func seal(_ secret: borrowing SecretKey) throws(KeyringError) -> SealedKey {
        guard hasKey else { throw .vaultLost(path: vault.path) }
        return SealedKey(secret, under: key)
    }

    /// Opens what is sealed under the current key of the vault.
    borrowing func open(_ sealed: SealedKey) throws(KeyringError) -> SecretKey {
        if let secret = sealed.opened(under: key) { return secret }
        throw .vaultLost(path: vault.path)
    }

    /// Whether something is sealed under the current key of the vault.
    borrowing func opens(_ sealed: SealedKey) -> Bool { sealed.opened(under: key) != nil }

    /// Does without the vault's key where it is lost, as when the keyring is made or restored; what is sealed from
    /// now on gets the fresh key with everything else.
    mutating func goOnWithoutVault() {
        hasKey = true
        dropSecret()
    }

    /// Numbers the change above another number too, that of a backup.
    mutating func goOn(after number: UInt64) { sequence = max(sequence, number &+ 1) }

    /// Takes the vault's slot with another number than the store had, that of a backup, where it is there.
    mutating func takeKey(of sequence: UInt64) throws(KeyringError) {
        guard let slot = try vault.slot(sequence) else { return }
        slotIndex = slotIndex ?? slot.index
        key = slot.key.copy()
    }

    /// Numbers the change and, where a secret was dropped, seals everything under a fresh key.
    borrowing func finish(
        _ transaction: inout KeyringWriting, _ observe: (@Sendable (CommitPoint) -> Void)?
    ) throws(KeyringError) {
        if isEffective { try transaction.set(.sequence, to: sequence) }
        guard rotates else { return }
        let recorded = try transaction.number(.vault) ?? 0
        let fresh = max(try vault.largestSequence(), recorded) &+ 1
        let freshKey = try Self.freshKey()
        try vault.write(freshKey, sequence: fresh, at: slotIndex.map { 1 - $0 } ?? 0)
        observe?(.slotWritten)

        for (owner, circle) in try transaction.records(CircleRecord.self) {
            var circle = circle
            circle.sealed = SealedKey(try open(circle.sealed), under: freshKey)
            try transaction.put(circle, owner)
        }
        for (endpoint, pending) in try transaction.records(PendingRecord.self) {
            var pending = pending
            pending.sealed = SealedKey(try open(pending.sealed), under: freshKey)
            try transaction.put(pending, endpoint)
        }
        try Ghost.reseal(&transaction, self, under: freshKey)
        try transaction.set(.vault, to: fresh)
        observe?(.sealedAgain)
    }

    private static func freshKey() throws(KeyringError) -> SecretKey {
        do throws(SodiumError) { return try SecretKey.random() } catch { throw .outOfGuardedMemory }
    }
}
