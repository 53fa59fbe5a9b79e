internal import Blinding
internal import LMDB
internal import TypedSodium

extension KeyringError {
    /// Runs what fails with the store's errors.
    static func storing<Result: ~Copyable>(
        _ body: () throws(LMDBError) -> Result
    ) throws(KeyringError) -> Result {
        do throws(LMDBError) { return try body() } catch { throw KeyringError(error) }
    }
}

extension Transaction {
    /// The record of a key; `nil` when there is none.
    borrowing func record<Record: StoredRecord>(
        _: Record.Type, _ key: [UInt8]
    ) throws(KeyringError) -> Record? {
        try withValue(for: key, in: Record.table) { (version, payload) throws(KeyringError) in
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
        try forEach(in: Record.table) { (key, version, payload) throws(KeyringError) in
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
        do throws(LMDBError) { return try count(of: table) } catch { throw KeyringError(error) }
    }
}

extension Transaction where Access == Writing {
    mutating func put<Record: StoredRecord>(_ record: Record, _ key: [UInt8]) throws(KeyringError) {
        do throws(LMDBError) {
            try put(record.payload.span, version: Record.format, for: key, in: Record.table)
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
            return try remove(key, from: Record.table)
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
}
