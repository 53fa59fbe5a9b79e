public import NIOCore

/// How many tokens a portal keeps for whom.
///
/// A token takes some fifty bytes, so the greatest number that a portal ever keeps takes about as many mebibytes.
public struct TokenLimits: Equatable, Sendable {
    /// Tokens of one connection of a member: 4096 friends on three days.
    public var memberCount = 12_288
    /// Tokens of one connection of anybody else: 256 friends on three days.
    public var strangerCount = 768
    /// Tokens of all connections of one member, or of one source address of others: a full set, and the same on the
    /// connection that replaces a lost one before the portal knows.
    public var sourceCount = 24_576
    /// Tokens of all connections; members alone have more than half of them.
    public var totalCount = 1 << 20
    /// How long after a change of its announcement, open or hidden, a connection may make the next.
    ///
    /// A tenth less than the second that is promised: the peer does not measure it where we do.
    public var interval = TimeAmount.milliseconds(900)
    /// How many tokens are inserted, or forgotten, before others have the portal's lock again.
    public var sliceCount = 256

    /// The limits of the protocol.
    public init() {}

    /// How many tokens one connection of a peer may have.
    public func count(for standing: PortalPolicy.Standing) -> Int {
        standing == .member ? memberCount : strangerCount
    }
}
