internal import LMDB
internal import TypedSodium

/// The keyring's single records, each a number or a key under its name.
enum StateKey: String {
    /// Whose keyring it is.
    case owner
    /// The keyring's sequence number, raised by one with every change.
    case sequence
    /// When it was last open with a clock that could be trusted, in Unix seconds; written once a day.
    case opened
    /// How many entries there are, ghosts among them.
    case entries
    /// That it is a copy; when it was made, in Unix seconds.
    case copy
    /// The sequence number of the vault's current slot.
    case vault
    /// The sequence number of the last change before every redemption was recorded with its invite; 0, or not there,
    /// for a keyring in which all ever were.
    case unrecorded
    /// What the portal's policy asks of those who announce, and of those who call.
    case policy
}

/// A number in the table of single records.
struct StateNumber: StoredRecord {
    static let table = Table("state")

    let value: UInt64

    init(_ value: UInt64) { self.value = value }

    init(_ reader: inout RecordReader) throws(RecordFault) { value = try reader.number() }

    func write(to writer: inout RecordWriter) { writer.add(value) }
}

/// Whose keyring it is.
struct OwnerRecord: StoredRecord {
    static let table = StateNumber.table

    let key: PublicKey

    init(key: PublicKey) { self.key = key }

    init(_ reader: inout RecordReader) throws(RecordFault) { key = try reader.key() }

    func write(to writer: inout RecordWriter) { writer.add(key) }
}
