internal import Blinding
internal import Multiserver
package import MuxRPC
package import TypedSodium

/// What a peer asks that only this node's owner can answer.
package struct Question: Equatable, Sendable {
    /// What is asked for.
    package enum Kind: Equatable, Sendable {
        /// `invite.use`: the owner of `feed` wants to become a friend by the invite whose key the peer has proved.
        ///
        /// The signature is `feed`'s, over this endpoint, that invite and itself; it was verified.
        case inviteUse(feed: PublicKey, signature: Signature)
        /// `circle.grant`: a friend wants to be able to resolve this endpoint's addresses.
        case circleGrant
    }

    /// What to answer to.
    package let id: QuestionID
    /// The key that the peer has proved: a friend's or an invite's.
    package let peer: PublicKey
    /// What is asked for.
    package let kind: Kind

    /// The session it was asked in.
    package var session: SessionID { id.session }

    /// How many may be unanswered in one session.
    package static let limit = 4
}

/// A question of one session; none is ever used again.
package struct QuestionID: Hashable, Sendable {
    let session: SessionID
    let ordinal: UInt64
}

/// What the owner answers to a ``Question``.
package enum Answer: Sendable {
    /// A value that anybody may see.
    case value(JSONValue)
    /// JSON that carries a secret.
    case secret(SecretJSON)
    /// An error with this message.
    case failure(String)
}

/// JSON text that carries a secret: it stands in one place of memory, which is wiped when it is released.
///
/// It is sealed straight from there, so that an answer leaves no plaintext behind.
package final class SecretJSON: @unchecked Sendable {
    // Safety: the bytes are written by `init` and `deinit` alone; in between they are only read.
    private var bytes: [UInt8] = []

    /// Text of up to `capacity` bytes, at least one, which `write` appends.
    ///
    /// The capacity is a promise: an array that grows leaves a copy behind.
    package init<Failure>(capacity: Int, _ write: (inout [UInt8]) throws(Failure) -> Void) throws(Failure) {
        bytes.reserveCapacity(capacity)
        defer {
            precondition(bytes.count <= capacity, "a secret is written into the room that was made for it")
        }
        try write(&bytes)
    }

    deinit { wipe(&bytes) }

    /// The length in bytes.
    package var byteCount: Int { bytes.count }

    /// Lends the text, which must not be copied to where it stays.
    package func withSpan<Result, Failure>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let bytes = bytes  // a second reference for this call, and no second copy
        return try body(bytes.span)
    }
}

/// The calls of one session that were put to the owner and have no answer yet.
struct SessionQuestions {
    private struct Asked {
        let call: RequestNumber
        /// Whether the answer ends the session.
        let endsSession: Bool
    }

    private var asked: [UInt64: Asked] = [:]
    private var last: UInt64 = 0

    /// Whether one more may be put to the owner.
    var hasRoom: Bool { asked.count < Question.limit }

    /// Puts a call to the owner.
    mutating func ask(_ call: RequestNumber, in session: SessionID, endsSession: Bool) -> QuestionID {
        precondition(hasRoom, "the caller looks before it asks")
        last += 1
        asked[last] = Asked(call: call, endsSession: endsSession)
        return QuestionID(session: session, ordinal: last)
    }

    /// The call that an answer is to; `nil` where it was answered.
    mutating func take(_ question: QuestionID) -> (call: RequestNumber, endsSession: Bool)? {
        asked.removeValue(forKey: question.ordinal).map { ($0.call, $0.endsSession) }
    }
}
