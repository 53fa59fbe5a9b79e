package import Blinding
package import MuxRPC

/// The tokens of one hidden announcement: each well-formed, each there once.
///
/// Reading 12,288 of them takes some milliseconds, so that is done off the event loops and under no lock;
/// ``HiddenDirectory`` takes them as they are.
package struct HiddenAnnouncement: Equatable, Sendable {
    /// The tokens, in the order they came.
    package var tokens: [PairToken] { hashed.map(\.token) }

    /// How many tokens there are.
    package var count: Int { hashed.count }

    let hashed: [HashedToken]

    /// What tells this set from others, in whatever order its tokens come.
    ///
    /// Made with the process's own key: only by chance, one in 2⁶⁴, does another set have it.
    let fingerprint: UInt64

    /// Reads the `tokens` of a call.
    ///
    /// The count is looked at first: what is too long is not read.
    /// - Throws: ``AnnounceRefusal``.
    package init(_ values: [JSONValue], limit: Int) throws(AnnounceRefusal) {
        guard values.count <= limit else { throw .tooManyTokens }
        var tokens: [PairToken] = []
        tokens.reserveCapacity(values.count)
        for value in values {
            guard let text = value.string, let token = try? PairToken(base64: text) else {
                throw .malformedToken
            }
            tokens.append(token)
        }
        try self.init(tokens: tokens)
    }

    /// Takes tokens that were read.
    ///
    /// - Throws: ``AnnounceRefusal/repeatedToken``.
    package init(tokens: [PairToken]) throws(AnnounceRefusal) {
        var known = Set<PairToken>(minimumCapacity: tokens.count)
        var hashed: [HashedToken] = []
        hashed.reserveCapacity(tokens.count)
        var fingerprint = UInt64(tokens.count)
        for token in tokens {
            guard known.insert(token).inserted else { throw .repeatedToken }
            hashed.append(HashedToken(token))
            fingerprint &+= UInt64(truncatingIfNeeded: token.hashValue)
        }
        self.hashed = hashed
        self.fingerprint = fingerprint
    }
}
