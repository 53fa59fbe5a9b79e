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
