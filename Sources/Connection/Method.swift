/// Every method that portals and nodes call of each other; the names are those on the wire.
///
/// Source of those that are not ours: ssb-tunnel, rooms2, go-ssb-room, ssb-gossip.
package enum Method: String, CaseIterable, Sendable {
    case manifest
    case whoAmI = "whoami"

    // MARK: Of a portal

    case announce = "tunnel.announce"
    case leave = "tunnel.leave"
    case endpoints = "tunnel.endpoints"
    case isRoom = "tunnel.isRoom"
    case metadata = "room.metadata"
    case attendants = "room.attendants"
    case members = "room.members"
    /// What go-ssb-room takes for ``connect``.
    case connectInRoom = "room.connect"
    /// For peers that end a connection without a measured round trip.
    case gossipPing = "gossip.ping"

    // MARK: Of both

    case connect = "tunnel.connect"
    case ping = "tunnel.ping"
    case useInvite = "invite.use"

    // MARK: Of an endpoint, inside a tunnel

    case echo
    case listServices = "service.list"
    case openService = "service.open"
    case grantCircle = "circle.grant"

    // MARK: Of a caller, inside a tunnel

    /// By which an endpoint tells whom it has let in before that it does so no more.
    case removedFromCircle = "circle.removed"

    // MARK: Between the machines of one portal

    case linkHello = "cluster.hello"
    case linkPing = "cluster.ping"
    case linkControl = "cluster.control"
    case linkConnect = "cluster.connect"
    case linkFlow = "cluster.flow"

    // MARK: Of a node, towards its portal

    /// By which a machine that ends asks a node to announce itself at another one of the same portal.
    case move = "portal.move"

    /// The method of a request; `nil` for a name that is none of ours.
    package init?(name: [String]) { self.init(rawValue: name.joined(separator: ".")) }

    /// The name, part by part, as packets have it.
    package var name: [String] { rawValue.split(separator: ".").map(String.init) }
}

/// What a portal says of itself in its metadata.
///
/// Source of the first two: rooms2, "Metadata".
package enum Feature: String, CaseIterable, Sendable {
    case tunnel
    case room1
    /// It takes hidden announcements and calls by token.
    case hiding = "companionway1"
    /// It is one of several machines of one portal.
    case cluster = "companionway-cluster1"
}
