internal import Connection
package import MuxRPC
package import NIOCore
internal import TypedSodium

/// `tunnel.announce`: list me, or call me when somebody names one of these tokens.
enum AnnounceMethod: PortalMethod {
    static var kind: MethodKind { .async }

    static var isLeftUnread: Bool { true }

    /// A token takes 47 bytes, or up to 50 where somebody escapes its slashes.
    static func bodyByteCount(tokenLimit: Int) -> Int? {
        PortalMethods.bodyByteCount + 50 * tokenLimit
    }

    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls) {
        calls.announcement.announce(AnnounceRequest(request), request, as: key)
    }
}

/// What a peer asks for by `tunnel.announce`.
package enum AnnounceRequest: Equatable, Sendable {
    /// To be listed, and called by its id.
    case open
    /// To be hidden: called when somebody names one of these tokens, not yet read.
    case hidden([JSONValue])
    /// Something that is too long to be read on an event loop: ``tokens(unread:)`` reads it.
    case unread(ByteBuffer)
    /// Something that nobody should follow: announcing openly could betray the peer.
    case malformed

    /// Reads a call.
    package init(_ request: Request) {
        self = request.unreadBody.map { .unread($0) } ?? Self(request.arguments)
    }

    /// Only what is plainly open, or plainly hidden, is followed.
    private init(_ arguments: [JSONValue]) {
        let options = arguments.first ?? .null
        self =
            switch (options["hidden"] ?? .null, options["tokens"]) {
            case (.null, nil), (.bool(false), nil): .open
            case (.bool(true), .array(let tokens)?): .hidden(tokens)
            default: .malformed
            }
    }

    /// The tokens of an announcement that was left unread.
    ///
    /// - Throws: ``AnnounceRefusal/invalidArguments`` where it is no call, or does not ask to be hidden: nobody needs so
    ///   many bytes to be open.
    static func tokens(unread body: ByteBuffer) throws(AnnounceRefusal) -> [JSONValue] {
        guard let arguments = Request.arguments(of: body), case .hidden(let tokens) = Self(arguments)
        else {
            throw .invalidArguments
        }
        return tokens
    }
}

/// Why a portal does not follow an announcement; what was announced before stays.
package enum AnnounceRefusal: String, Error, CaseIterable, Sendable {
    /// The arguments ask for something between open and hidden, which nobody should guess at.
    case invalidArguments
    /// A token in the list is none.
    case malformedToken
    /// A token is in the list twice.
    case repeatedToken
    /// More tokens than the connection, its source address, or the portal may have.
    case tooManyTokens
    /// The connection has changed its announcement less than a second ago.
    case tooOften
    /// The portal lets members announce, and the peer is none.
    case membersOnly

    /// What the peer is told.
    package var message: String {
        switch self {
        case .invalidArguments: ErrorText.invalidAnnouncement
        case .malformedToken: ErrorText.malformedToken
        case .repeatedToken: ErrorText.repeatedToken
        case .tooManyTokens: ErrorText.tooManyTokens
        case .tooOften: ErrorText.announcedTooOften
        case .membersOnly: ErrorText.membersAnnounce
        }
    }
}
