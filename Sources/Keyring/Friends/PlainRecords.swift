internal import LMDB
internal import TypedSodium

/// Whose name it is.
struct NameRecord: StoredRecord {
    static let table = Table("names")

    let key: PublicKey

    init(key: PublicKey) { self.key = key }

    init(_ reader: inout RecordReader) throws(RecordFault) { key = try reader.key() }

    func write(to writer: inout RecordWriter) { writer.add(key) }
}

/// When a friend was last seen, and where it was last reached; written without a new sequence number, because nothing
/// depends on it.
struct SeenRecord: StoredRecord {
    static let table = Table("seen")
    static let format: UInt8 = 2

    let at: UInt64
    let place: PortalPlace?

    init(at: UInt64, place: PortalPlace?) {
        self.at = at
        self.place = place
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        at = try reader.number()
        // The first format had no place for it.
        guard reader.version >= 2 else {
            place = nil
            return
        }
        place = try reader.optional { (reader) throws(RecordFault) in
            PortalPlace(key: try reader.key(), host: try reader.text(), port: try reader.shortNumber())
        }
    }

    func write(to writer: inout RecordWriter) {
        writer.add(at)
        writer.add(optional: place) { writer, place in
            writer.add(place.key)
            writer.add(place.host)
            writer.add(place.port)
        }
    }
}

/// That a friend was removed, and when: invites made before never admit it again.
struct TombstoneRecord: StoredRecord {
    static let table = Table("tombstones")

    let sequence: UInt64

    init(sequence: UInt64) { self.sequence = sequence }

    init(_ reader: inout RecordReader) throws(RecordFault) { sequence = try reader.number() }

    func write(to writer: inout RecordWriter) { writer.add(sequence) }
}
