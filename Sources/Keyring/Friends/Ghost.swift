internal import LMDB
internal import Sodium

/// Pairs that nobody else has, so that the number of entries tells a portal nothing.
///
/// The entries, friends who may reach the owner, invites and ghosts together, are a multiple of 16 that never
/// shrinks: an entry that is added takes the place of a ghost, one that goes leaves one behind.
enum Ghost {
    static let table = Table("ghosts")
    /// What the number of entries is a multiple of.
    static let step = 16
    private static let format: UInt8 = 1

    /// Makes room for one more entry.
    ///
    /// How many entries there are is written down: counting them looks at everybody, and every sixteenth change would
    /// hold up all others for that long. Where it is not, as in a keyring made before it was, or restored, they are
    /// counted once.
    static func giveWay(_ transaction: inout WriteTransaction) throws(KeyringError) {
        let last = try KeyringError.storing { () throws(LMDBError) in try transaction.last(in: table) }
        guard let last else {
            let count: Int
            if let written = try transaction.number(.entries) {
                count = Int(clamping: written)
            } else {
                count = try transaction.entryCountWithoutGhosts()
            }
            try transaction.set(.entries, to: UInt64(try Entries.nextCount(above: count)))
            return try add(step - 1, &transaction)
        }
        do throws(LMDBError) {
            try transaction.remove(last.key, from: table)
        } catch {
            throw KeyringError(error)
        }
    }

    /// Adds ghosts: one for an entry that goes.
    static func add(_ count: Int, _ transaction: inout WriteTransaction) throws(KeyringError) {
        do throws(LMDBError) {
            let last = try transaction.last(in: table)
            let first = (last?.key.reduce(0) { $0 << 8 | UInt64($1) } ?? 0) &+ 1
            for offset in 0..<UInt64(count) {
                var key = RecordWriter()
                key.add(first &+ offset)
                var pair = Random.bytes(SecretKey.byteCount)
                defer { wipe(&pair) }
                try transaction.put(pair.span, version: format, for: key.bytes, in: table)
            }
        } catch {
            throw KeyringError(error)
        }
    }

    /// Every ghost with its number.
    static func forEach<Access>(
        _ transaction: borrowing Transaction<Access>,
        _ body: (UInt64, borrowing SecretKey) throws(KeyringError) -> Void
    ) throws(KeyringError) {
        try transaction.forEach(in: table) { (key, version, payload) throws(KeyringError) in
            guard version == format, key.count == 8, payload.count == SecretKey.byteCount else {
                throw .damagedRecord(table: table.name)
            }
            var number: UInt64 = 0
            for index in 0..<8 { number = number << 8 | UInt64(key[index]) }
            let pair: SecretKey
            do throws(SodiumError) {
                pair = try SecretKey(copying: payload)
            } catch {
                throw .outOfGuardedMemory
            }
            try body(number, pair)
            return .next
        }
    }
}
