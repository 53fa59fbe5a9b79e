/// What is not as it was written, and where; numbers and names of tables, never a stored byte.
package enum Damage: Error, Equatable, Sendable {
    /// One of the two pages with the newest state: its number, and what it has wrong.
    case meta(Int, String)
    /// A page: its number, and what it has wrong.
    case page(UInt64, String)
    /// A page that is used twice, or is both used and free.
    case usedTwice(UInt64)
    /// A tree's own count, of pages or entries, is not what is there.
    case wrongCount(table: String)
    /// A value whose checksum is not that of its table, its key and itself; which one of the table, in order.
    case value(table: String, index: Int)
    /// The record of what the store is cannot be understood.
    case schema
}

extension Damage: CustomStringConvertible {
    /// The damage in a few words.
    package var description: String {
        switch self {
        case .meta(let number, let fault): "meta page \(number): \(fault)"
        case .page(let number, let fault): "page \(number): \(fault)"
        case .usedTwice(let number): "page \(number) is used twice"
        case .wrongCount(let table): "table \(table.debugDescription): its counts are wrong"
        case .value(let table, let index):
            "table \(table.debugDescription): value \(index) has a wrong checksum"
        case .schema: "its schema record makes no sense"
        }
    }
}
