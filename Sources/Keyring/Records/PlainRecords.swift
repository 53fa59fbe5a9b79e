internal import LMDB
internal import Sodium

/// Whose name it is.
struct NameRecord: StoredRecord {
    static let table = Table("names")

    let key: PublicKey

    init(key: PublicKey) { self.key = key }

    init(_ reader: inout RecordReader) throws(RecordFault) { key = try reader.key() }

    func write(to writer: inout RecordWriter) { writer.add(key) }
}

/// When a friend was last seen; written without a new sequence number, because nothing depends on it.
struct SeenRecord: StoredRecord {
    static let table = Table("seen")

    let at: UInt64

    init(at: UInt64) { self.at = at }

    init(_ reader: inout RecordReader) throws(RecordFault) { at = try reader.number() }

    func write(to writer: inout RecordWriter) { writer.add(at) }
}

/// That a friend was removed, and when: invites made before never admit it again.
struct TombstoneRecord: StoredRecord {
    static let table = Table("tombstones")

    let sequence: UInt64

    init(sequence: UInt64) { self.sequence = sequence }

    init(_ reader: inout RecordReader) throws(RecordFault) { sequence = try reader.number() }

    func write(to writer: inout RecordWriter) { writer.add(sequence) }
}
