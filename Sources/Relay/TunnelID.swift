/// Which tunnel of a portal is meant; numbers are never used twice.
public struct TunnelID: Hashable, Comparable, CustomStringConvertible, Sendable {
    /// The number.
    public let value: UInt64

    /// The tunnel with this number.
    public init(_ value: UInt64) { self.value = value }

    /// The number, for logs.
    public var description: String { String(value) }

    /// The older tunnel comes first.
    public static func < (left: TunnelID, right: TunnelID) -> Bool { left.value < right.value }
}
