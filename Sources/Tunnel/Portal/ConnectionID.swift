/// Which connection of a portal is meant; numbers are never used twice.
public struct ConnectionID: Hashable, Comparable, Sendable {
    /// The number.
    public let value: UInt64

    /// The connection with this number.
    public init(_ value: UInt64) { self.value = value }

    /// The older connection comes first.
    public static func < (left: ConnectionID, right: ConnectionID) -> Bool { left.value < right.value }
}
