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
    /// Like ``unrecorded``, for invites to a portal that came from another keyring by the log of a cluster.
    case unrecordedMembers
    /// How far the log of a cluster is applied; not there for a portal that never was on several machines.
    case log
    /// That the portal was run alone although it has a log: 1, or 2 where something was changed then.
    case alone
    /// That the log is in the midst of an import.
    case importing
    /// That this keyring is the one that is being imported.
    case importer
    /// Denials that the log does not have yet.
    case urgent
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
