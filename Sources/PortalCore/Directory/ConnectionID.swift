/// Which connection of a portal is meant; numbers are never used twice.
package struct ConnectionID: Hashable, Comparable, Sendable {
    /// The number.
    package let value: UInt64

    /// The connection with this number.
    package init(_ value: UInt64) { self.value = value }

    /// The older connection comes first.
    package static func < (left: ConnectionID, right: ConnectionID) -> Bool { left.value < right.value }
}
