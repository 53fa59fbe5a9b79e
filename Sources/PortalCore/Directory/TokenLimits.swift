package import NIOCore

/// How many tokens a portal keeps for whom.
///
/// A token takes some fifty bytes, so the greatest number that a portal ever keeps takes about as many mebibytes.
package struct TokenLimits: Equatable, Sendable {
    /// Tokens of one connection of a member: 4096 friends on three days.
    package var memberCount = 12_288
    /// Tokens of one connection of anybody else: 256 friends on three days.
    package var strangerCount = 768
    /// Tokens of all connections of one member, or of one source address of others: a full set, and the same on the
    /// connection that replaces a lost one before the portal knows.
    package var sourceCount = 24_576
    /// Tokens of all connections; members alone have more than half of them.
    package var totalCount = 1 << 20
    /// How long after a change of its announcement, open or hidden, a connection may make the next.
    ///
    /// A tenth less than the second that is promised: the peer does not measure it where we do.
    package var interval = TimeAmount.milliseconds(900)
    /// How many tokens are inserted, or forgotten, before others have the portal's lock again.
    package var sliceCount = 256

    /// The limits of the protocol.
    package init() {}

    /// How many tokens one connection of a peer may have.
    package func count(for standing: PortalPolicy.Standing) -> Int {
        standing == .member ? memberCount : strangerCount
    }
}
