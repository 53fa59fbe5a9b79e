package import MuxRPC
internal import Multiserver
package import NIOCore
package import TypedSodium

/// What a peer asks of a portal.
package enum PortalCall: Equatable, Sendable {
    /// `tunnel.announce`: list me, and call me when somebody connects.
    case announce
    /// `tunnel.announce` that asks to be hidden: call me when somebody names one of these tokens, not yet read.
    case announceHidden([JSONValue])
    /// `tunnel.announce` that is too long to be read on an event loop: ``tokens(unread:)`` reads it.
    case announceUnread(ByteBuffer)
    /// `tunnel.announce` with arguments that nobody should follow: announcing openly could betray the peer.
    case malformedAnnounce
    /// `tunnel.leave`.
    case leave
    /// `tunnel.connect`, and `room.connect`, which go-ssb-room takes for the same.
    case connect
    /// `tunnel.endpoints`: all ids, again at each change.
    case endpoints
    /// `room.attendants`: all ids, then who joins and leaves.
    case attendants
    /// `room.members`: who belongs to the portal, for those who do.
    case members
    /// `room.metadata` and `tunnel.isRoom`, which answers the same in go-ssb-room.
    case metadata
    /// `tunnel.ping`.
    case ping
    /// `gossip.ping`: numbers both ways, for peers that end a connection without a measured round trip.
    case gossipPing
    /// `whoami`.
    case whoAmI
    /// `invite.use`: let this key in; `nil` where the arguments name none.
    case useInvite(PublicKey?)

    /// What a portal offers.
    ///
    /// Go peers refuse locally to call what is missing here; JavaScript ones are told with the very words that
    /// make ssb-room-client fall back from `room.*` to `tunnel.*`.
    package static let manifest = methods.limitingBodies(
        to: callByteCount, ["tunnel.announce": announceByteCount])

    /// What the body of any call may have, in bytes, unless it needs more.
    private static let callByteCount = 4 << 10
    /// What 12,288 tokens need, as text between quotes and commas, in bytes.
    private static let announceByteCount = 600 << 10

    private static let methods: Manifest = [
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
        "gossip.ping": .duplex,
        "invite.use": .async,
    ]

    /// ``manifest``, for a peer that may announce so many tokens: no call may be longer than its method needs.
    ///
    /// A token takes 47 bytes, or up to 50 where somebody escapes its slashes. Arguments of `tunnel.connect` that
    /// nobody knows are passed on.
    package static func manifest(tokenLimit: Int) -> Manifest {
        let connectByteCount = 16 << 10
        return manifest.limitingBodies(
            to: shortBodyByteCount,
            [
                "tunnel.announce": shortBodyByteCount + 50 * tokenLimit,
                "tunnel.connect": connectByteCount, "room.connect": connectByteCount,
            ]
        ).leavingUnread(["tunnel.announce"])
    }

    private static let shortBodyByteCount = 4 << 10

    /// Reads a request; `nil` for a name that is not in ``manifest``.
    package init?(_ request: Request) {
        switch request.name.joined(separator: ".") {
        case "tunnel.announce":
            self = request.unreadBody.map { .announceUnread($0) } ?? Self.announcement(request.arguments)
        case "tunnel.leave": self = .leave
        case "tunnel.connect", "room.connect": self = .connect
        case "tunnel.endpoints": self = .endpoints
        case "room.attendants": self = .attendants
        case "room.members": self = .members
        case "room.metadata", "tunnel.isRoom": self = .metadata
        case "tunnel.ping": self = .ping
        case "gossip.ping": self = .gossipPing
        case "whoami": self = .whoAmI
        case "invite.use":
            let feed = request.arguments.first?["feed"]?.string
            self = .useInvite(feed.flatMap { try? PublicKey(id: $0) })
        default: return nil
        }
    }

    /// What a portal names among its features that takes hidden announcements and calls by token.
    package static let hidingFeature = "companionway1"

    /// What is answered to ``metadata``.
    ///
    /// Source of the form: rooms2, "Metadata".
    package static func metadata(name: String, isMember: Bool) -> JSONValue {
        [
            "name": .string(name), "membership": .bool(isMember),
            "features": ["tunnel", "room1", .string(hidingFeature)],
        ]
    }

    /// What is answered to ``members``: lists of a thousand, sorted.
    ///
    /// Source of the form: go-ssb-room, `room.members`.
    package static func lists(of members: Set<PublicKey>) -> [JSONValue] {
        let entries = members.map(\.id).sorted().map { id -> JSONValue in ["id": .string(id)] }
        return stride(from: 0, to: entries.count, by: listCount).map { start in
            .array(Array(entries[start..<min(start + listCount, entries.count)]))
        }
    }

    private static let listCount = 1000

    /// The tokens of an announcement that was left unread.
    ///
    /// - Throws: ``AnnounceRefusal/invalidArguments`` where it is no call, or does not ask to be hidden: nobody needs so
    ///   many bytes to be open.
    package static func tokens(unread body: ByteBuffer) throws(AnnounceRefusal) -> [JSONValue] {
        guard let arguments = Request.arguments(of: body),
            case .announceHidden(let tokens) = announcement(arguments)
        else { throw .invalidArguments }
        return tokens
    }

    /// Only what is plainly open, or plainly hidden, is followed.
    private static func announcement(_ arguments: [JSONValue]) -> PortalCall {
        let options = arguments.first ?? .null
        switch (options["hidden"] ?? .null, options["tokens"]) {
        case (.null, nil), (.bool(false), nil): return .announce
        case (.bool(true), .array(let tokens)?): return .announceHidden(tokens)
        default: return .malformedAnnounce
        }
    }
}
