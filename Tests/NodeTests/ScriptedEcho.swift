import MuxRPC
import Multiserver
import NIOCore
import NIOPosix
import SecretHandshake
import SecureSession
import Sodium

/// A peer on the loopback interface whose `echo` does not what it should.
enum ScriptedEcho {
    /// What is wrong with it.
    enum Fault: Sendable {
        case none
        /// Nothing comes back of what comes behind so many bytes.
        case silentBehind(Int)
        /// The same, and nothing else is answered then.
        case deafBehind(Int)
        /// Behind so many bytes one more is sent than came.
        case tooMuchBehind(Int)
        /// The byte behind so many is another one.
        case otherByteBehind(Int)
        /// What came is sent back so much later.
        case late(TimeAmount)
    }

    /// Listens for as long as `body` takes, which is told where.
    static func run(_ fault: Fault, _ body: (PeerAddress) async throws -> Void) async throws {
        let identity = try Identity.random()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(EchoConnection(as: identity, fault))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let net = try NetAddress(host: "127.0.0.1", port: UInt16(listener.localAddress?.port ?? 0))
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(PeerAddress(net: net, key: identity.publicKey)))
        } catch {
            result = .failure(error)
        }
        try await listener.close().get()
        try result.get()
    }
}

/// One connection to such a peer.
private final class EchoConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: SecureSession
    private let fault: ScriptedEcho.Fault
    private var byteCount = 0
    private var isDeaf = false

    init(as identity: Identity, _ fault: ScriptedEcho.Fault) {
        session = SecureSession(
            answeringAs: identity, network: .scuttlebutt, manifest: ["echo": .duplex, "tunnel.ping": .async])
        self.fault = fault
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDeaf else { return }
        session.receive(unwrapInboundIn(data))
        do {
            while !isDeaf, let event = try session.next() { take(event, context) }
        } catch {
            return context.close(promise: nil)
        }
        flush(context)
    }

    private func take(_ event: SecureSession.Event, _ context: ChannelHandlerContext) {
        switch event {
        case .client: try? session.accept()
        case .packet(let stream, _):
            var bytes = ByteBuffer()
            session.openPacket(into: &bytes)
            echo(bytes, on: stream, context)
        case .session(.data(let stream, .binary, let bytes)): echo(bytes, on: stream, context)
        case .session(.data(let stream, _, let json)):
            // A grant of one is a grant of the other, and so is the end.
            guard let value = try? JSONValue(parsing: json) else { return }
            later(context) { try? $0.muxrpc.send(value, on: stream) }
        case .session(.request(let request)) where request.kind == .async:
            try? session.muxrpc.reply(to: request.number, with: 1)
        case .ended: session.close()
        default: break
        }
    }

    private func echo(_ came: ByteBuffer, on stream: StreamID, _ context: ChannelHandlerContext) {
        var bytes = came
        let before = byteCount
        byteCount += came.readableBytes
        switch fault {
        case .none: break
        case .silentBehind(let limit) where byteCount > limit: return
        case .deafBehind(let limit) where byteCount > limit:
            isDeaf = true
            return
        case .tooMuchBehind(let limit) where byteCount > limit: bytes.writeInteger(UInt8(0))
        case .otherByteBehind(let limit) where (before..<byteCount).contains(limit):
            let index = bytes.readerIndex + limit - before
            if let byte: UInt8 = bytes.getInteger(at: index) { bytes.setInteger(byte ^ 1, at: index) }
        default: break
        }
        later(context) { $0.send(bytes, on: stream) }
    }

    /// Sends now, or as late as the script says.
    private func later(_ context: ChannelHandlerContext, _ send: @escaping (SecureSession) -> Void) {
        guard case .late(let time) = fault else { return send(session) }
        let bound = NIOLoopBound((self, context, send), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: time) {
            let (connection, context, send) = bound.value
            send(connection.session)
            connection.flush(context)
        }
    }

    private func flush(_ context: ChannelHandlerContext) {
        while let bytes = session.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
        if session.isFinished { context.close(promise: nil) }
    }
}
