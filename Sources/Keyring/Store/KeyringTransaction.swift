internal import LMDB
internal import TypedSodium

/// One state of the keyring, in which nobody else changes anything.
typealias KeyringReading = KeyringTransaction<Reading>
/// A state of the keyring that becomes everybody's at once, or nobody's.
typealias KeyringWriting = KeyringTransaction<Writing>

/// The store's transaction as the keyring sees it: records under keys, instead of bytes.
///
/// It is lent to a closure, as the store's is. The tables, such as ``FriendTable``, know what the records mean.
struct KeyringTransaction<Access>: ~Copyable {
    /// The store's own, for what is no record.
    var raw: Transaction<Access>

    /// Lends a transaction of the store as one of the keyring.
    static func lend<Result: ~Copyable>(
        _ raw: inout Transaction<Access>,
        _ body: (inout KeyringTransaction) throws(KeyringError) -> Result
    ) throws(KeyringError) -> Result {
        var lent = KeyringTransaction(raw: raw)
        do throws(KeyringError) {
            let result = try body(&lent)
            raw = lent.raw
            return result
        } catch {
            raw = lent.raw
            throw error
        }
    }

    // MARK: Records

    /// The record of a key; `nil` when there is none.
    borrowing func record<Record: StoredRecord>(
        _: Record.Type, _ key: [UInt8]
    ) throws(KeyringError) -> Record? {
        try raw.withValue(for: key, in: Record.table) { (version, payload) throws(KeyringError) in
            try Record(version: version, payload: payload.array)
        }
    }

    /// The record of a public key; `nil` when there is none.
    borrowing func record<Record: StoredRecord>(
        _ type: Record.Type, _ key: PublicKey
    ) throws(KeyringError) -> Record? { try record(type, key.bytes.array) }

    /// Every record of a table whose keys are public keys.
    borrowing func forEach<Record: StoredRecord>(
        _: Record.Type, _ body: (PublicKey, Record) throws(KeyringError) -> Step
    ) throws(KeyringError) {
        try raw.forEach(in: Record.table) { (key, version, payload) throws(KeyringError) in
            guard key.count == PublicKey.byteCount else {
                throw KeyringError.damagedRecord(table: Record.table.name)
            }
            let record = try Record(version: version, payload: payload.array)
            return try body(PublicKey(FixedBytes(key, at: 0)), record)
        }
    }

    /// Every record of a table whose keys are public keys, copied.
    borrowing func records<Record: StoredRecord>(
        _ type: Record.Type
    ) throws(KeyringError) -> [(key: PublicKey, record: Record)] {
        var found: [(key: PublicKey, record: Record)] = []
        try forEach(type) { (key, record) throws(KeyringError) in
            found.append((key, record))
            return .next
        }
        return found
    }

    /// How many records a table has.
    borrowing func recordCount(_ table: Table) throws(KeyringError) -> Int {
        do throws(LMDBError) { return try raw.count(of: table) } catch { throw KeyringError(error) }
    }

    // MARK: Single records

    borrowing func number(_ key: StateKey) throws(KeyringError) -> UInt64? {
        try record(StateNumber.self, Array(key.rawValue.utf8))?.value
    }

    borrowing func owner() throws(KeyringError) -> PublicKey? {
        try record(OwnerRecord.self, Array(StateKey.owner.rawValue.utf8))?.key
    }

    /// The version of the keyring that is seen.
    borrowing func version() throws(KeyringError) -> UInt32 {
        do throws(LMDBError) { return try raw.version(of: KeyringStore.schema) } catch {
            throw KeyringError(error)
        }
    }
}

extension KeyringTransaction where Access == Writing {
    mutating func put<Record: StoredRecord>(_ record: Record, _ key: [UInt8]) throws(KeyringError) {
        do throws(LMDBError) {
            try raw.put(record.payload.span, version: Record.format, for: key, in: Record.table)
        } catch {
            throw KeyringError(error)
        }
    }

    mutating func put<Record: StoredRecord>(_ record: Record, _ key: PublicKey) throws(KeyringError) {
        try put(record, key.bytes.array)
    }

    /// Removes a record.
    ///
    /// - Returns: whether it was there.
    @discardableResult
    mutating func drop<Record: StoredRecord>(_: Record.Type, _ key: [UInt8]) throws(KeyringError) -> Bool {
        do throws(LMDBError) {
            return try raw.remove(key, from: Record.table)
        } catch {
            throw KeyringError(error)
        }
    }

    /// Removes a record.
    ///
    /// - Returns: whether it was there.
    @discardableResult
    mutating func drop<Record: StoredRecord>(
        _ type: Record.Type, _ key: PublicKey
    ) throws(KeyringError) -> Bool { try drop(type, key.bytes.array) }

    mutating func set(_ key: StateKey, to number: UInt64) throws(KeyringError) {
        try put(StateNumber(number), Array(key.rawValue.utf8))
    }

    mutating func clear(_ key: StateKey) throws(KeyringError) {
        try drop(StateNumber.self, Array(key.rawValue.utf8))
    }

    mutating func setOwner(_ key: PublicKey) throws(KeyringError) {
        try put(OwnerRecord(key: key), Array(StateKey.owner.rawValue.utf8))
    }
}
