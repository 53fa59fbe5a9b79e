internal import MuxRPC

/// The numbers of `service.open`'s flow control, in bytes of binary packets.
///
/// Source: Companionway's protocol, section 6, "Credit".
package enum Credit {
    /// What both sides may send before the other has said anything.
    package static let initialByteCount = 262_144
    /// The most that one packet may allow, that may be outstanding, and that a window grows to.
    package static let maximumByteCount = 4_194_304
    /// The most that a sender keeps sent and not yet granted back, over all streams of one session.
    ///
    /// With what frames it, it is less than a portal holds for one tunnel and direction.
    package static let sessionByteCount = 4_194_304
    /// The most that a receiver holds for readers that do not read, over all streams of one session.
    ///
    /// Four times what a sender that keeps the rules has under way; the stream that goes beyond is ended. It is less where
    /// the accounts of an endpoint are short.
    package static let heldByteCount = 16_777_216
}

/// A breach of the credit rules by the peer: the stream ends with the error `credit`, the session stays.
package enum CreditError: Error, Equatable, Sendable {
    /// More bytes came than were allowed.
    case exceeded
    /// A grant that is no integer of 1…4,194,304, or that brings what is outstanding above that.
    case badGrant
    /// Something came behind the half-close that may not, or it came twice.
    case afterEnd
    /// A packet that is neither bytes, nor a grant, nor a half-close.
    case badPacket
}

/// A JSON packet among the binary ones of a stream that speaks credit.
enum CreditPacket: Equatable {
    /// The other side may send that many bytes more.
    case grant(Int)
    /// No bytes follow from this side.
    case end

    init(_ json: JSONValue) throws(CreditError) {
        if let credit = json["credit"] {
            guard let grant = credit.integer, (1...Int64(Credit.maximumByteCount)).contains(grant) else {
                throw .badGrant
            }
            self = .grant(Int(grant))
        } else if json["eof"] == .bool(true) {
            self = .end
        } else {
            throw .badPacket
        }
    }

    var json: JSONValue {
        switch self {
        case .grant(let byteCount): ["credit": .integer(Int64(byteCount))]
        case .end: ["eof": true]
        }
    }
}
