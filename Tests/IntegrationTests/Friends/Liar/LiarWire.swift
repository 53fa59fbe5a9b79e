import MuxRPC
import NIOCore
import PeerSupport
import SecureSession
import TypedSodium

/// One connection to the portal that lies, on its event loop: an honest session, in which anything may be said.
final class LiarWire: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What happens on a stream.
    enum StreamEvent {
        case bytes(ByteBuffer)
        /// The peer has ended it, with these words or without any.
        case ended(String?)
    }

    /// Whoever decides what the portal says.
    protocol Owner: AnyObject {
        func established(_ wire: LiarWire, with peer: PublicKey)
        func answer(_ request: Request, on wire: LiarWire)
        func ended(_ wire: LiarWire)
    }

    let number: Int
    private let session: SecureSession
    private let owner: any Owner
    private var context: ChannelHandlerContext?
    private var streams: [StreamID: (StreamEvent) -> Void] = [:]

    init(_ session: SecureSession, number: Int, owner: any Owner) {
        self.session = session
        self.number = number
        self.owner = owner
    }

    // MARK: What we say

    func reply(to request: Request, with value: JSONValue) throws {
        try session.muxrpc.reply(to: request.number, with: value)
        flush()
    }

    func refuse(_ request: Request, _ words: String) {
        session.muxrpc.fail(request.number, message: words)
        flush()
    }

    /// Opens a stream, of which `report` learns everything.
    func open(
        _ name: [String], _ argument: JSONValue, report: @escaping (StreamEvent) -> Void
    ) throws -> StreamID {
        let stream = try session.muxrpc.open(.duplex, name, [argument])
        streams[stream] = report
        flush()
        return stream
    }

    /// Follows a stream that the peer has opened.
    func follow(_ stream: StreamID, report: @escaping (StreamEvent) -> Void) { streams[stream] = report }

    func send(_ bytes: ByteBuffer, on stream: StreamID) {
        session.send(bytes, on: stream)
        flush()
    }

    /// Lays what a session inside a tunnel has to say into this one; whether there was something.
    func send(from inner: SecureSession, on stream: StreamID) -> Bool {
        var hasSent = false
        while let batch = inner.nextBatch() {
            session.send(batch, on: stream)
            hasSent = true
        }
        flush()
        return hasSent
    }

    /// Ends a stream, with words or without.
    func end(_ stream: StreamID, _ words: String?) {
        if let words {
            session.muxrpc.fail(stream, message: words)
        } else {
            session.muxrpc.end(stream)
        }
        streams[stream] = nil
        flush()
    }

    /// Breaks the connection.
    func cut() { context?.close(promise: nil) }

    private func flush() {
        guard let context else { return }
        while let bytes = session.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
    }

    // MARK: What we hear

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        session.receive(unwrapInboundIn(data))
        do {
            while let event = try session.next() { try note(event) }
        } catch {
            cut()
        }
        flush()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        for report in streams.values { report(.ended("the connection is over")) }
        streams = [:]
        owner.ended(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func note(_ event: SecureSession.Event) throws {
        switch event {
        case .client(let peer):
            try session.accept()
            owner.established(self, with: peer)
        case .packet(let stream, _):
            var body = ByteBuffer()
            session.openPacket(into: &body)
            streams[stream]?(.bytes(body))
        case .session(.request(let request)):
            owner.answer(request, on: self)
        case .session(.data(let stream, _, let body)):
            streams[stream]?(.bytes(body))
        case .session(.ended(let stream, let error)):
            streams.removeValue(forKey: stream)?(.ended(error?.message))
        case .ended:
            cut()
        case .established, .proof, .session(.reply), .session(.lateFailure), .session(.goodbye):
            break
        }
    }
}

@available(*, unavailable)
extension LiarWire: Sendable {}
