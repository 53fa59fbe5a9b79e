/// What a store is: whose, in which version, with which tables.
///
/// The store itself keeps identity and version from the moment it appears under its name. So a store without
/// them has lost something, and one of a later version is left alone.
package struct Schema: Sendable {
    /// Who the store belongs to, for example `companionway keyring`.
    package let identity: String
    /// Raised by one with every change that earlier versions of the program would not understand.
    package let version: UInt32
    /// The earliest version whose stores have the same tables, so that they can be used as they are; whoever opens one
    /// brings it up to date when it suits, or reads its values in their earlier formats.
    package let oldestUsable: UInt32
    /// The tables of this version, all of which exist from the beginning.
    package let tables: [Table]

    /// Describes a store; earlier versions can be used as they are where it is said since which.
    package init(identity: String, version: UInt32, oldestUsable: UInt32? = nil, tables: [Table]) {
        self.identity = identity
        self.version = version
        self.oldestUsable = oldestUsable ?? version
        self.tables = tables
    }
}

/// The record in which a store keeps its identity and version: four bytes of version, most significant first,
/// then the identity in UTF-8.
struct SchemaRecord: Equatable {
    static let key = Array("schema".utf8)
    static let format: UInt8 = 1

    let identity: String
    let version: UInt32

    init(_ schema: Schema) {
        identity = schema.identity
        version = schema.version
    }

    init(_ stored: CheckedValue) throws(Damage) {
        guard stored.version == Self.format, stored.payload.count > 4,
            let name = String(validating: stored.payload.dropFirst(4), as: UTF8.self)
        else { throw .schema }
        version = stored.payload.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        identity = name
    }

    var payload: [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: version >> $0) } + Array(identity.utf8)
    }
}

/// The name of one of a store's tables, each a map from keys of 1 to 511 bytes to checked values, ordered by
/// key.
package struct Table: Hashable, Sendable {
    /// The name under which LMDB keeps it.
    package let name: String

    /// Names a table.
    ///
    /// - Precondition: the name is neither empty nor ``Schema``'s own `schema`, and holds no zero byte.
    package init(_ name: String) {
        precondition(!name.isEmpty && name != Table.schema.name, "a table needs a name of its own")
        self.init(unchecked: name)
    }

    init(unchecked name: String) {
        precondition(!name.utf8.contains(0), "LMDB ends names with a zero byte")
        self.name = name
    }

    /// Where the store says what it is.
    static let schema = Table(unchecked: "schema")
}
