import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import SecureSession
import Sodium

/// A caller that opens tunnels and says nothing in them, on its event loop.
final class SilentCaller: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: SecureSession
    private let argument: JSONValue
    private let count: Int
    private let opened: EventLoopPromise<Void>

    private init(_ session: SecureSession, argument: JSONValue, count: Int, opened: EventLoopPromise<Void>) {
        self.session = session
        self.argument = argument
        self.count = count
        self.opened = opened
    }

    /// Opens so many tunnels with that argument from 127.0.0.`host`, and returns when they are asked for.
    static func start(
        _ count: Int, _ argument: JSONValue, at portal: PeerAddress, from host: Int, on loop: any EventLoop
    ) async throws -> any Channel {
        let opened = loop.makePromise(of: Void.self)
        let channel = try await ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let session = try SecureSession(
                        dialling: portal.key, as: .drawn(), network: CalledEndpoint.network, manifest: [:])
                    let caller = SilentCaller(session, argument: argument, count: count, opened: opened)
                    try channel.pipeline.syncOperations.addHandler(caller)
                }
            }
            .bind(to: SocketAddress(ipAddress: "127.0.0.\(host)", port: 0))
            .connect(to: SocketAddress(ipAddress: "127.0.0.1", port: Int(portal.net.port))).get()
        try await opened.futureResult.get()
        return channel
    }

    func channelActive(context: ChannelHandlerContext) { flush(context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        session.receive(unwrapInboundIn(data))
        while let event = try? session.next() {
            guard case .established = event else { continue }
            for _ in 0..<count {
                _ = try? session.muxrpc.open(.duplex, ["tunnel", "connect"], [argument])
            }
            opened.succeed()
        }
        flush(context)
    }

    func channelInactive(context: ChannelHandlerContext) { opened.fail(ChannelError.eof) }

    private func flush(_ context: ChannelHandlerContext) {
        while let bytes = session.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
    }
}

@available(*, unavailable)
extension SilentCaller: Sendable {}
