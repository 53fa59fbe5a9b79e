internal import LMDB
package import TypedSodium

/// What has passed through a portal for whom in a month, kept over restarts.
///
/// A store of its own beside the keyring: it is written every few seconds, holds no secret, belongs into no backup, and may
/// be thrown away.
package struct TrafficStore: Sendable {
    /// For whom something was counted.
    package enum Payer: Hashable, Sendable {
        /// A member.
        case member(PublicKey)
        /// A source address, as it is written.
        case source(String)
    }

    /// The file's name in the home.
    package static let fileName = "traffic.mdb"
    private static let table = Table("traffic")
    private static let schema = Schema(identity: "companionway traffic", version: 1, tables: [table])
    private static let format: UInt8 = 1
    /// Longer texts are no source's.
    private static let sourceByteLimit = 64

    private let environment: Environment

    /// Opens the store of a home, or makes it.
    ///
    /// - Throws: ``KeyringError``, for one that is damaged too.
    package init(folder: String) throws(KeyringError) {
        environment = try KeyringError.storing { () throws(LMDBError) in
            try Environment(path: "\(folder)/\(Self.fileName)", schema: Self.schema)
        }
    }

    /// What was kept of a month; what is of earlier ones is removed.
    package func load(month: Int) throws(KeyringError) -> [Payer: Int] {
        try KeyringError.storing { () throws(LMDBError) in
            try environment.write { (transaction) throws(LMDBError) in
                var usages: [Payer: Int] = [:]
                for entry in try transaction.entries(in: Self.table) {
                    if let payer = Self.payer(entry.key), let (kept, byteCount) = Self.read(entry.value),
                        kept >= month
                    {
                        if kept == month { usages[payer] = byteCount }
                    } else {
                        try transaction.remove(entry.key, from: Self.table)
                    }
                }
                return usages
            }
        }
    }

    /// Keeps what those have had, in one transaction that is on the disk when this returns.
    package func save(_ usages: [Payer: Int], month: Int) throws(KeyringError) {
        try KeyringError.storing { () throws(LMDBError) in
            try environment.write { (transaction) throws(LMDBError) in
                for (payer, byteCount) in usages {
                    let payload = Self.bytes(UInt64(max(0, month))) + Self.bytes(UInt64(max(0, byteCount)))
                    let value = CheckedValue(version: Self.format, payload: payload)
                    try transaction.put(value, for: Self.key(payer), in: Self.table)
                }
            }
        }
    }

    // MARK: Entries

    private static func key(_ payer: Payer) -> [UInt8] {
        switch payer {
        case .member(let key): [0] + key.bytes.array
        case .source(let text): [1] + text.utf8.prefix(sourceByteLimit)
        }
    }

    private static func payer(_ key: [UInt8]) -> Payer? {
        switch key.first {
        case 0: (try? FixedBytes<32>(key.dropFirst())).map { .member(PublicKey($0)) }
        case 1: .source(String(decoding: key.dropFirst(), as: UTF8.self))
        default: nil
        }
    }

    private static func bytes(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
    }

    private static func read(_ value: CheckedValue) -> (month: Int, byteCount: Int)? {
        guard value.version == format, value.payload.count == 16 else { return nil }
        let numbers = [value.payload.prefix(8), value.payload.suffix(8)].map {
            $0.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        return (Int(clamping: numbers[0]), Int(clamping: numbers[1]))
    }
}
