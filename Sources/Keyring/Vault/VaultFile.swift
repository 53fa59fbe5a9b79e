internal import TypedSodium

/// The file `keyring.vault`: the one key under which the keyring's secrets are sealed, where overwriting it wipes
/// it.
///
/// LMDB keeps old pages, so a chain key that was removed is still in its file, sealed. What makes it unreadable is
/// that the key of the vault changes and the former one is overwritten in place. Hence the file is neither
/// renamed nor truncated, and has two slots, of which one is current at any moment:
///
/// | offset in slot | bytes | field                                            |
/// |----------------|-------|--------------------------------------------------|
/// | 0              | 8     | sequence number, most significant byte first     |
/// | 8              | 32    | key                                              |
/// | 40             | 8     | start of `H("companionway/1/vault", all before)` |
///
/// The slots are 4,096 bytes apart, so that a write to one that is cut short by a power failure does not reach the
/// other. The keyring's store says which sequence number is current. A blank slot is all zero.
struct VaultFile: Sendable {
    /// What a slot holds.
    struct Slot: ~Copyable {
        let index: Int
        let sequence: UInt64
        let key: SecretKey
    }

    static let name = "keyring.vault"
    static let slotByteCount = 4_096
    private static let contentByteCount = 48
    private static let checkedByteCount = 40

    let path: String

    init(folder: String) { path = "\(folder)/\(Self.name)" }

    /// Whether there is a file with anything in it.
    func isInUse() throws(KeyringError) -> Bool {
        guard try KeyringFile.exists(path) else { return false }
        let file = try open(toWrite: false)
        for index in 0..<2 where try !isBlank(index, in: file) { return true }
        return false
    }

    /// The slot with a sequence number; `nil` when there is none, or no file.
    func slot(_ sequence: UInt64) throws(KeyringError) -> Slot? {
        guard try KeyringFile.exists(path) else { return nil }
        let file = try open(toWrite: false)
        for index in 0..<2 {
            if let slot = try slot(at: index, in: file), slot.sequence == sequence { return slot }
        }
        return nil
    }

    /// The largest sequence number of any slot, 0 without any.
    func largestSequence() throws(KeyringError) -> UInt64 {
        guard try KeyringFile.exists(path) else { return 0 }
        let file = try open(toWrite: false)
        var largest: UInt64 = 0
        for index in 0..<2 { largest = max(largest, try slot(at: index, in: file)?.sequence ?? 0) }
        return largest
    }

    /// Writes a slot, which is on the disk when this returns; makes the file where there is none.
    func write(_ key: borrowing SecretKey, sequence: UInt64, at index: Int) throws(KeyringError) {
        var writer = RecordWriter()
        writer.add(sequence)
        var bytes: [UInt8] = []
        // Arrays that grow leave copies behind.
        bytes.reserveCapacity(Self.contentByteCount)
        defer { wipe(&bytes) }
        bytes.append(contentsOf: writer.bytes)
        key.append(to: &bytes)
        bytes.append(contentsOf: Self.checksum(of: bytes.span))

        let isFresh = try !KeyringFile.exists(path)
        let file = isFresh ? try KeyringFile(creating: path) : try open(toWrite: true)
        if isFresh {
            try file.write([UInt8](repeating: 0, count: 2 * Self.slotByteCount), at: 0)
        }
        try file.write(bytes, at: index * Self.slotByteCount)
        try file.synchronize()
        if isFresh { try KeyringFile.synchronizeFolder(of: path) }
    }

    /// Overwrites every slot but the one with a sequence number, which stays.
    ///
    /// - Throws: ``KeyringError/vaultLost(path:)`` rather than overwrite the only ones there are.
    func erase(allBut sequence: UInt64) throws(KeyringError) {
        guard let current = try slot(sequence) else { throw .vaultLost(path: path) }
        let other = 1 - current.index
        let file = try open(toWrite: true)
        guard try !isBlank(other, in: file) else { return }
        try file.write([UInt8](repeating: 0, count: Self.slotByteCount), at: other * Self.slotByteCount)
        try file.synchronize()
    }

    private func open(toWrite: Bool) throws(KeyringError) -> KeyringFile {
        let file = toWrite ? try KeyringFile(opening: path) : try KeyringFile(lookingAt: path)
        guard try file.isPrivate else { throw .exposed(path: path, permissions: try file.permissions) }
        return file
    }

    private func isBlank(_ index: Int, in file: borrowing KeyringFile) throws(KeyringError) -> Bool {
        var bytes = try file.read(Self.slotByteCount, at: index * Self.slotByteCount)
        defer { wipe(&bytes) }
        return bytes.allSatisfy { $0 == 0 }
    }

    private func slot(at index: Int, in file: borrowing KeyringFile) throws(KeyringError) -> Slot? {
        var bytes = try file.read(Self.contentByteCount, at: index * Self.slotByteCount)
        defer { wipe(&bytes) }
        guard bytes.count == Self.contentByteCount else { return nil }
        let checked = bytes.span.extracting(first: Self.checkedByteCount)
        guard bytes[Self.checkedByteCount...].elementsEqual(Self.checksum(of: checked)) else { return nil }
        let sequence = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        do throws(SodiumError) {
            let key = try SecretKey(copying: checked.extracting(last: SecretKey.byteCount))
            return Slot(index: index, sequence: sequence, key: key)
        } catch {
            throw .outOfGuardedMemory
        }
    }

    private static func checksum(of bytes: Span<UInt8>) -> [UInt8] {
        var hash = GenericHash(label: "companionway/1/vault")
        hash.update(bytes)
        return Array(hash.finalize().array.prefix(contentByteCount - checkedByteCount))
    }
}
