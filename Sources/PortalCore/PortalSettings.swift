internal import MuxRPC
package import NIOCore
package import TypedSodium

/// What the operator of a portal decides, and the limits that nobody has a reason to change but tests.
package struct PortalSettings: Sendable {
    /// How the portal is called in `room.metadata`.
    package var name: String

    /// Milliseconds since 1970, for `tunnel.ping`.
    package var wallClock: @Sendable () -> Int64

    /// Who may do what, at first; ``Portal/update(_:)`` changes it.
    package var policy = PortalPolicy()

    /// Asked when the key of an invite calls `invite.use`; without it the portal has no invites.
    ///
    /// It is called off the event loops, at most once at a time for a connection. Who is let in is in the policy
    /// only when the owner has put it there.
    package var redeem: (@Sendable (_ invite: PublicKey, _ feed: PublicKey) async -> RedeemOutcome)?

    /// The other machines that serve the same portal; none where it is on one machine.
    package var neighbours: (any PortalNeighbours)?

    /// How much may pass for whom, at first; ``TrafficLedger/update(_:at:)`` changes it.
    package var traffic = TrafficSettings()

    /// How many tokens are kept for whom.
    package var tokenLimits = TokenLimits()

    /// What peers may make the portal hold in all, in bytes: a quarter of what the machine has, within 64 and 256 MiB.
    ///
    /// Strangers together have half of it, one of them a quarter, and the tunnels of one endpoint hold a quarter at most.
    package var memoryByteCount = 256 << 20

    /// What one direction of a tunnel may queue before its sender is paused, in bytes of memory.
    package var tunnelQueueByteCount = TunnelFlow.limitByteCount

    /// How long a tunnel may hold up its paused sender without progress while nothing else of that waits.
    package var patience = TimeAmount.seconds(30)

    /// The greatest number of tunnels to one connection, and of those that one connection may ask for.
    package var tunnelLimit = 4096

    /// The greatest number of subscriptions of one connection; each may make us send the whole list.
    package var subscriptionLimit = 8

    /// What one connection may leave unread of answers before it is not read any more, in bytes.
    package var controlByteCount = 1 << 20

    /// What a subscriber may leave unread before its next update waits, in bytes.
    package var subscriberByteCount = Limits.default.outboxByteCount

    /// How often a subscriber is told of changes at most; longer the more there is to tell.
    package var attendanceInterval = TimeAmount.milliseconds(250)

    /// How many calls a connection may make in a second; above that the peer is read no faster.
    package var callsPerSecond = 50.0

    /// How many calls a connection may make at once.
    package var callBurst = 200.0

    /// How long the handshake may take.
    package var handshakeTime = TimeAmount.seconds(10)

    /// How long a peer for whose address there is no place hears why, before the connection is closed.
    package var refusalTime = TimeAmount.seconds(2)

    /// How long the peer's goodbye, and then the end of its bytes, is awaited.
    package var closingTime = TimeAmount.seconds(2)

    /// Shown every packet that a tunnel is about to pass on; for demonstrations.
    ///
    /// Called on the sender's event loop, before the packet is on its way to the other side.
    package var inspector: (@Sendable (RelayedPacket) -> Void)?

    /// The defaults for a portal of that name.
    package init(name: String, wallClock: @escaping @Sendable () -> Int64) {
        self.name = name
        self.wallClock = wallClock
    }
}

/// A packet of a tunnel as the portal sees it: its sender's box is opened, the one between the two ends is not.
package struct RelayedPacket: Equatable, Sendable {
    /// The tunnel.
    package let tunnel: TunnelID
    /// Who has proved to be where it came from.
    package let sender: PublicKey
    /// Its body, as it is passed on.
    package let body: ByteBuffer
}

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
