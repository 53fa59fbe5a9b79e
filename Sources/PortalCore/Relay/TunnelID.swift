/// Which tunnel of a portal is meant; numbers are never used twice.
package struct TunnelID: Hashable, Comparable, CustomStringConvertible, Sendable {
    /// The number.
    package let value: UInt64

    /// The tunnel with this number.
    package init(_ value: UInt64) { self.value = value }

    /// The number, for logs.
    package var description: String { String(value) }

    /// The older tunnel comes first.
    package static func < (left: TunnelID, right: TunnelID) -> Bool { left.value < right.value }
}
