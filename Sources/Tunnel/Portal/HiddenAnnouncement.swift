public import Blinding
public import MuxRPC

/// The tokens of one hidden announcement: each well-formed, each there once.
///
/// Reading 12,288 of them takes a few milliseconds, so that is done on the connection's own event loop and under
/// no lock; ``HiddenDirectory`` takes them as they are.
public struct HiddenAnnouncement: Equatable, Sendable {
    /// The tokens, in the order they came.
    public let tokens: [PairToken]

    /// Reads the `tokens` of a call.
    ///
    /// The count is looked at first: what is too long is not read.
    /// - Throws: ``AnnounceRefusal``.
    public init(_ values: [JSONValue], limit: Int) throws(AnnounceRefusal) {
        guard values.count <= limit else { throw .tooManyTokens }
        var tokens: [PairToken] = []
        tokens.reserveCapacity(values.count)
        for value in values {
            guard let text = value.string, let token = try? PairToken(base64: text) else {
                throw .malformedToken
            }
            tokens.append(token)
        }
        guard Set(tokens).count == tokens.count else { throw .repeatedToken }
        self.tokens = tokens
    }
}

/// Why a portal does not follow an announcement; what was announced before stays.
public enum AnnounceRefusal: Error, Equatable, Sendable {
    /// The arguments ask for something between open and hidden, which nobody should guess at.
    case invalidArguments
    /// A token in the list is none.
    case malformedToken
    /// A token is in the list twice.
    case repeatedToken
    /// More tokens than the connection, its source address, or the portal may have.
    case tooManyTokens
    /// The connection has announced less than a second ago.
    case tooOften
    /// The portal lets members announce, and the peer is none.
    case membersOnly

    /// What the peer is told.
    public var message: String {
        switch self {
        case .invalidArguments: "announce: invalid arguments"
        case .malformedToken: "announce: malformed token"
        case .repeatedToken: "announce: repeated token"
        case .tooManyTokens: "too many tokens"
        case .tooOften: "announced too often: once per second at most"
        case .membersOnly: PortalMessage.membersAnnounce
        }
    }
}
