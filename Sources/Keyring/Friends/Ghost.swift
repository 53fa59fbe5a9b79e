internal import LMDB
internal import TypedSodium

/// Pairs that nobody else has, so that the number of entries tells a portal nothing.
///
/// Invariants: the entries, friends who may reach the owner, invites and ghosts together, are a multiple of 16 that
/// never shrinks: an entry that is added takes the place of a ghost, one that goes leaves one behind. Each ghost's
/// pair is sealed under the key of the vault, for whoever knows the pair can tell its tokens from a friend's; in a
/// keyring of the first version it is bare.
enum Ghost {
    static let table = Table("ghosts")
    /// What the number of entries is a multiple of.
    static let step = 16
    /// The version in which pairs are sealed.
    private static let format: UInt8 = 2
    private static let bareFormat: UInt8 = 1

    /// Makes room for one more entry.
    ///
    /// How many entries there are is written down: counting them looks at everybody, and every sixteenth change would
    /// hold up all others for that long. Where it is not, as in a keyring made before it was, or restored, they are
    /// counted once.
    ///
    /// - Throws: ``KeyringError/tooManyEntries(_:limit:)`` before anything is changed, among others.
    static func giveWay(
        _ transaction: inout KeyringWriting, _ change: borrowing Change
    ) throws(KeyringError) {
        let last = try KeyringError.storing { () throws(LMDBError) in try transaction.raw.last(in: table) }
        guard let last else {
            let count: Int
            if let written = try transaction.number(.entries) {
                count = Int(clamping: written)
            } else {
                count = try countOthers(transaction)
            }
            try transaction.set(.entries, to: UInt64(try Entries.nextCount(above: count)))
            return try add(step - 1, &transaction, change)
        }
        do throws(LMDBError) {
            try transaction.raw.remove(last.key, from: table)
        } catch {
            throw KeyringError(error)
        }
    }

    /// Adds ghosts: one for an entry that goes.
    static func add(
        _ count: Int, _ transaction: inout KeyringWriting, _ change: borrowing Change
    ) throws(KeyringError) {
        let last = try KeyringError.storing { () throws(LMDBError) in try transaction.raw.last(in: table) }
        let first = (last?.key.reduce(0) { $0 << 8 | UInt64($1) } ?? 0) &+ 1
        for offset in 0..<UInt64(count) {
            var key = RecordWriter()
            key.add(first &+ offset)
            try put(change.seal(freshPair()), key.bytes, &transaction)
        }
    }

    /// Every ghost with its number and its pair.
    ///
    /// - Throws: ``KeyringError/vaultLost(path:)`` for one that is sealed under another key, among others.
    static func forEach<Access>(
        _ transaction: borrowing KeyringTransaction<Access>, _ vaultKey: borrowing SecretKey,
        vault: VaultFile,
        _ body: (UInt64, borrowing SecretKey) throws(KeyringError) -> Void
    ) throws(KeyringError) {
        try transaction.raw.forEach(in: table) { (key, version, payload) throws(KeyringError) in
            guard key.count == 8 else { throw .damagedRecord(table: table.name) }
            var number: UInt64 = 0
            for index in 0..<8 { number = number << 8 | UInt64(key[index]) }
            let pair: SecretKey
            if let sealed = try sealedPair(version, payload) {
                guard let opened = sealed.opened(under: vaultKey) else {
                    throw .vaultLost(path: vault.path)
                }
                pair = opened
            } else {
                pair = try barePair(payload)
            }
            try body(number, pair)
            return .next
        }
    }

    /// Seals every pair under another key of the vault.
    static func reseal(
        _ transaction: inout KeyringWriting, _ change: borrowing Change, under key: borrowing SecretKey
    ) throws(KeyringError) {
        for entry in try entries(transaction) {
            guard let sealed = try sealedPair(entry.value.version, entry.value.payload.span) else {
                throw .inconsistent("it has a ghost that is not sealed")
            }
            try put(SealedKey(change.open(sealed), under: key), entry.key, &transaction)
        }
    }

    /// Seals the pairs that are bare, and puts fresh ones in the place of those that the vault does not open.
    static func sealAll(
        _ transaction: inout KeyringWriting, _ change: borrowing Change
    ) throws(KeyringError) {
        for entry in try entries(transaction) {
            if let sealed = try sealedPair(entry.value.version, entry.value.payload.span) {
                guard !change.opens(sealed) else { continue }
                try put(change.seal(freshPair()), entry.key, &transaction)
            } else {
                try put(change.seal(barePair(entry.value.payload.span)), entry.key, &transaction)
            }
        }
    }

    /// How many entries are no ghosts: friends who may reach the owner, and invites that are announced.
    static func countOthers<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> Int {
        var count = 0
        try transaction.forEach(FriendRecord.self) { (_, friend) throws(KeyringError) in
            count += friend.admission == nil ? 0 : 1
            return .next
        }
        try transaction.forEach(FriendInvite.self) { (_, invite) throws(KeyringError) in
            count += invite.isEntry ? 1 : 0
            return .next
        }
        return count
    }

    /// How many there are, each of which is one.
    static func count<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> Int {
        let entries = try entries(transaction)
        for entry in entries {
            guard entry.key.count == 8 else { throw .damagedRecord(table: table.name) }
            if try sealedPair(entry.value.version, entry.value.payload.span) == nil {
                _ = try barePair(entry.value.payload.span)
            }
        }
        return entries.count
    }

    /// Whether a key of the vault opens every one that is sealed.
    static func areOpened<Access>(
        by key: borrowing SecretKey, _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> Bool {
        for entry in try entries(transaction) {
            let sealed = try sealedPair(entry.value.version, entry.value.payload.span)
            if let sealed, sealed.opened(under: key) == nil { return false }
        }
        return true
    }

    private static func entries<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> [Entry] {
        do throws(LMDBError) { return try transaction.raw.entries(in: table) } catch {
            throw KeyringError(error)
        }
    }

    private static func put(
        _ sealed: SealedKey, _ key: [UInt8], _ transaction: inout KeyringWriting
    ) throws(KeyringError) {
        var writer = RecordWriter()
        sealed.write(to: &writer)
        do throws(LMDBError) {
            try transaction.raw.put(writer.bytes.span, version: format, for: key, in: table)
        } catch {
            throw KeyringError(error)
        }
    }

    /// The sealed pair in a record; `nil` for one that is bare.
    private static func sealedPair(_ version: UInt8, _ payload: Span<UInt8>) throws(KeyringError)
        -> SealedKey?
    {
        guard version != bareFormat else { return nil }
        guard version == format else { throw .damagedRecord(table: table.name) }
        var reader = RecordReader(payload.array, version: version)
        do throws(RecordFault) {
            let sealed = try SealedKey(&reader)
            try reader.finish()
            return sealed
        } catch {
            throw .damagedRecord(table: table.name)
        }
    }

    private static func barePair(_ payload: Span<UInt8>) throws(KeyringError) -> SecretKey {
        guard payload.count == SecretKey.byteCount else { throw .damagedRecord(table: table.name) }
        do throws(SodiumError) { return try SecretKey(copying: payload) } catch { throw .outOfGuardedMemory }
    }

    private static func freshPair() throws(KeyringError) -> SecretKey {
        do throws(SodiumError) { return try SecretKey.random() } catch { throw .outOfGuardedMemory }
    }
}
