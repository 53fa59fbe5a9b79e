internal import NIOCore

/// What a packet does to the open stream it belongs to.
enum StreamTurn {
    /// It brings something.
    case carries(BodyType, ByteBuffer)
    /// It is the stream's last.
    case ends(RemoteError?)
    /// It cannot be read, so the stream is failed.
    case breaks(String)
    /// It brings nothing: an empty body, which no reader sees and which must not be passed on.
    case isEmpty

    /// Reads a packet; no body stands for one that was too long to be kept.
    init(_ header: PacketHeader, body: ByteBuffer?) {
        guard let body else {
            self = header.isEnd ? .ends(.tooLong) : .breaks(RemoteError.tooLong.message)
            return
        }
        guard !header.isEnd else {
            let isPlain = body.readableBytes == 0 || (try? JSONValue(body: body)) == .bool(true)
            self = .ends(isPlain ? nil : RemoteError(body: body, type: header.bodyType))
            return
        }
        guard let type = header.bodyType else {
            self = .breaks("invalid body type")
            return
        }
        self = body.readableBytes == 0 ? .isEmpty : .carries(type, body)
    }

    /// Whether a caller (otherwise a callee) may send on a stream of this kind.
    static func mayCarry(_ kind: CallKind, fromCaller: Bool) -> Bool {
        switch kind {
        case .async: false
        case .source: !fromCaller
        case .sink: fromCaller
        case .duplex: true
        }
    }
}
