public import MuxRPC

/// What a peer asks of a portal.
public enum PortalCall: Equatable, Sendable {
    /// `tunnel.announce`: list me, and call me when somebody connects.
    case announce
    /// `tunnel.announce` with arguments that this portal cannot follow; the answer to give.
    case refusedAnnounce(String)
    /// `tunnel.leave`.
    case leave
    /// `tunnel.connect`, and `room.connect`, which go-ssb-room takes for the same.
    case connect
    /// `tunnel.endpoints`: all ids, again at each change.
    case endpoints
    /// `room.attendants`: all ids, then who joins and leaves.
    case attendants
    /// `room.members`: nobody, so far.
    case members
    /// `room.metadata` and `tunnel.isRoom`, which answers the same in go-ssb-room.
    case metadata
    /// `tunnel.ping`.
    case ping
    /// `whoami`.
    case whoAmI

    /// What a portal offers.
    ///
    /// Go peers refuse locally to call what is missing here; JavaScript ones are told with the very words that
    /// make ssb-room-client fall back from `room.*` to `tunnel.*`.
    public static let manifest: Manifest = [
        "manifest": .sync,
        "whoami": .async,
        "tunnel.announce": .async,
        "tunnel.leave": .async,
        "tunnel.connect": .duplex,
        "tunnel.endpoints": .source,
        "tunnel.isRoom": .async,
        "tunnel.ping": .async,
        "room.metadata": .async,
        "room.attendants": .source,
        "room.members": .source,
        "room.connect": .duplex,
    ]

    /// Reads a request; `nil` for a name that is not in ``manifest``.
    public init?(_ request: Request) {
        switch request.name.joined(separator: ".") {
        case "tunnel.announce": self = Self.announcement(request.arguments)
        case "tunnel.leave": self = .leave
        case "tunnel.connect", "room.connect": self = .connect
        case "tunnel.endpoints": self = .endpoints
        case "room.attendants": self = .attendants
        case "room.members": self = .members
        case "room.metadata", "tunnel.isRoom": self = .metadata
        case "tunnel.ping": self = .ping
        case "whoami": self = .whoAmI
        default: return nil
        }
    }

    /// What is answered to ``metadata``.
    ///
    /// Source of the form: rooms2, "Metadata".
    public static func metadata(name: String) -> JSONValue {
        ["name": .string(name), "membership": false, "features": ["tunnel", "room1"]]
    }

    /// Whoever wants to be hidden must not be announced openly, so an announcement that asks for it is refused.
    private static func announcement(_ arguments: [JSONValue]) -> PortalCall {
        let options = arguments.first ?? .null
        let hidden = options["hidden"] ?? .null
        let isOpen = (hidden == .null || hidden == .bool(false)) && options["tokens"] == nil
        return isOpen ? .announce : .refusedAnnounce("this portal does not know hidden announcements")
    }
}
