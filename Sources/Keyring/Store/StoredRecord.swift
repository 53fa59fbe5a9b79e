internal import LMDB

/// What is stored in a record, or is one.
protocol StoredField {
    init(_ reader: inout RecordReader) throws(RecordFault)
    func write(to writer: inout RecordWriter)
}

/// What stands under a key of one of the keyring's tables.
protocol StoredRecord: StoredField {
    static var table: Table { get }
    /// The version of the format in which records are written; earlier ones are read too.
    static var format: UInt8 { get }
}

extension StoredRecord {
    static var format: UInt8 { 1 }

    init(version: UInt8, payload: [UInt8]) throws(KeyringError) {
        guard (1...Self.format).contains(version) else { throw .damagedRecord(table: Self.table.name) }
        var reader = RecordReader(payload, version: version)
        do throws(RecordFault) {
            self = try Self(&reader)
            try reader.finish()
        } catch {
            throw .damagedRecord(table: Self.table.name)
        }
    }

    var payload: [UInt8] {
        var writer = RecordWriter()
        write(to: &writer)
        return writer.bytes
    }
}
