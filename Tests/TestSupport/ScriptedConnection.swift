package import Multiserver
package import MuxRPC
package import NIOCore
import NIOPosix
import SecretHandshake
package import SecureSession
import TypedSodium

/// One connection to a peer that does with what comes what a script says.
package final class ScriptedConnection: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// What the peer does; it lets in whoever comes, and says goodbye to whoever does, by itself.
    package typealias Script = (ScriptedConnection, SecureSession.Event) throws -> Void

    /// The connection's session; what is put into it by the script leaves behind the event.
    package let session: SecureSession
    /// Whether nothing that comes is read any more.
    package var isReceiveClosed = false
    private let script: Script
    private var context: ChannelHandlerContext?

    private init(_ session: SecureSession, _ script: @escaping Script) {
        self.session = session
        self.script = script
    }

    /// Listens on the loopback interface for as long as `body` takes, which is told where; `script` is called for each
    /// connection, so that it may keep a state.
    package static func listen(
        manifest: Manifest, limits: Limits = Limits(), script: @escaping @Sendable () -> Script,
        _ body: (PeerAddress) async throws -> Void
    ) async throws {
        let identity = try Identity.random()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let session = SecureSession(
                        answeringAs: identity, network: .scuttlebutt, manifest: manifest)
                    session.muxrpc = RPCConnection(manifest: manifest, limits: limits)
                    try channel.pipeline.syncOperations.addHandler(ScriptedConnection(session, script()))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let result: Result<Void, any Error>
        do {
            let net = try NetAddress(host: "127.0.0.1", port: UInt16(listener.localAddress?.port ?? 0))
            result = .success(try await body(PeerAddress(net: net, key: identity.publicKey)))
        } catch {
            result = .failure(error)
        }
        try await listener.close().get()
        try result.get()
    }

    /// Does something with the session after a time.
    package func schedule(in time: TimeAmount, _ body: @escaping (SecureSession) -> Void) {
        guard let context else { return }
        let bound = NIOLoopBound((self, body), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: time) {
            let (connection, body) = bound.value
            body(connection.session)
            connection.flush()
        }
    }

    package func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isReceiveClosed else { return }
        session.receive(unwrapInboundIn(data))
        do {
            while !isReceiveClosed, let event = try session.next() {
                try script(self, event)
                switch event {
                case .client: try session.accept()
                case .ended: session.close()
                default: break
                }
            }
        } catch {
            return context.close(promise: nil)
        }
        flush()
    }

    private func flush() {
        guard let context else { return }
        while let bytes = session.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
        if session.isFinished { context.close(promise: nil) }
    }
}

@available(*, unavailable)
extension ScriptedConnection: Sendable {}
