import MuxRPC
import Multiserver
import NIOCore
import NIOPosix
import SecretHandshake
import SecureSession
import Sodium

/// A portal that answers `room.metadata` with a name, and refuses everything else, in words of an attacker's choice.
struct LyingPortal {
    /// Listens for as long as `body` takes, which is told where.
    static func run(_ words: String, _ body: (PeerAddress) async throws -> Void) async throws {
        let identity = try Identity.drawn()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(LyingConnection(as: identity, words))
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

private final class LyingConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: SecureSession
    private let words: String

    init(as identity: Identity, _ words: String) {
        self.words = words
        session = SecureSession(
            answeringAs: identity, network: .scuttlebutt,
            manifest: [
                "tunnel.connect": .duplex, "room.metadata": .async, "tunnel.ping": .async, "whoami": .async,
                "tunnel.announce": .async,
            ])
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        session.receive(unwrapInboundIn(data))
        do {
            while let event = try session.next() {
                switch event {
                case .client: try session.accept()
                case .session(.request(let request)): try answer(request)
                case .ended: session.close()
                default: break
                }
            }
        } catch {
            return context.close(promise: nil)
        }
        while let bytes = session.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
        if session.isFinished { context.close(promise: nil) }
    }

    private func answer(_ request: Request) throws {
        if request.name == ["whoami"] {
            try session.muxrpc.reply(to: request.number, with: ["name": .string(words)])
        } else if request.kind == .async {
            session.muxrpc.fail(request.number, message: words)
        } else {
            session.muxrpc.fail(request.stream, message: words)
        }
    }
}

@available(*, unavailable)
extension LyingConnection: Sendable {}
