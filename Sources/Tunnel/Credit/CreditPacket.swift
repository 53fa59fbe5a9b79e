internal import MuxRPC

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
