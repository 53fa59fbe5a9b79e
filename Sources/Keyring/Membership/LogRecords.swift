internal import LMDB
package import TypedSodium

/// How far a log is applied: the index of its last record, and that record's hash.
package struct LogPlace: Hashable, Sendable {
    /// Before the first record.
    package static let start = LogPlace(index: 0, hash: FixedBytes())

    /// The index; 0 before the first record.
    package let index: UInt64
    /// The hash of the record.
    package let hash: FixedBytes<32>

    /// A place.
    package init(index: UInt64, hash: FixedBytes<32>) {
        self.index = index
        self.hash = hash
    }
}

/// The place as it is stored among the single records.
struct StoredPlace: StoredRecord {
    static let table = StateNumber.table
    static let key = Array(StateKey.log.rawValue.utf8)

    let place: LogPlace

    init(_ place: LogPlace) { self.place = place }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        let index = try reader.number()
        place = LogPlace(index: index, hash: try reader.key().bytes)
    }

    func write(to writer: inout RecordWriter) {
        writer.add(place.index)
        writer.add(fixed: place.hash.array)
    }
}

/// Denials that count here and that the log does not have yet, as they are stored among the single records.
///
/// They stand apart from the others: what the log says must have the same outcome on every machine, whichever of these
/// it has heard of.
struct StoredUrgency: StoredRecord {
    static let table = StateNumber.table
    static let key = Array(StateKey.urgent.rawValue.utf8)
    /// How many are kept.
    static let limit = 1_000

    var denials: [Denial]

    init(_ denials: [Denial]) { self.denials = denials }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        let count = Int(try reader.shortNumber())
        var denials: [Denial] = []
        for _ in 0..<count {
            let key = try reader.key()
            denials.append(Denial(key: key, since: try reader.number()))
        }
        self.denials = denials
    }

    func write(to writer: inout RecordWriter) {
        precondition(denials.count <= Self.limit, "urgent denials are counted before they are stored")
        writer.add(UInt16(denials.count))
        for denial in denials {
            writer.add(denial.key)
            writer.add(denial.since)
        }
    }

    static func all<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> [Denial] {
        guard let record = try transaction.record(StoredUrgency.self, key) else { return [] }
        return record.denials
    }

    /// Keeps these and no others.
    static func put(_ denials: [Denial], _ transaction: inout KeyringWriting) throws(KeyringError) {
        if denials.isEmpty {
            try transaction.drop(StoredUrgency.self, key)
        } else {
            try transaction.put(StoredUrgency(denials), key)
        }
    }
}
