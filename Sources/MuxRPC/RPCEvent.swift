public import NIOCore

/// What a packet from the peer asks of the session's owner.
public enum RPCEvent: Equatable, Sendable {
    /// A call that the manifest allows, of the kind that the manifest says.
    case request(Request)
    /// The one answer to a call of ours; its number is free.
    case reply(RequestNumber, Reply)
    /// An error for a call of ours that has been answered already.
    ///
    /// No other implementation sends it; our portal says so that an announcement was replaced.
    case lateFailure(RequestNumber, RemoteError)
    /// A packet on an open stream; the body is never empty. JSON is not parsed yet.
    case data(StreamID, BodyType, ByteBuffer)
    /// The end of an open stream, `nil` for a plain one. Our answer is in the outbox already, and the stream is
    /// closed both ways.
    case ended(StreamID, RemoteError?)
    /// The peer sends nothing more; what is open will not be answered.
    case goodbye
}

/// The answer to a call of ours.
public enum Reply: Equatable, Sendable {
    /// A JSON value; `false` also where a JavaScript method returned nothing.
    case value(JSONValue)
    /// A text.
    case string(String)
    /// Bytes.
    case binary(ByteBuffer)
    /// An error, or a reply that could not be read.
    case failure(RemoteError)

    /// Reads a packet that answers a call; no body stands for one that was too long to be kept.
    init(_ header: PacketHeader, body: ByteBuffer?) {
        guard let body else {
            self = .failure(.tooLong)
            return
        }
        guard !header.isEnd else {
            self = .failure(RemoteError(body: body, type: header.bodyType))
            return
        }
        switch header.bodyType {
        case .binary?: self = .binary(body)
        case .string?: self = .string(String(buffer: body))
        case .json?:
            let value = try? JSONValue(body: body)
            self = value.map { .value($0) } ?? .failure(RemoteError("the reply is no JSON"))
        case nil: self = .failure(RemoteError("invalid body type"))
        }
    }
}
