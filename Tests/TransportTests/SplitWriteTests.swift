import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import PortalCore
import SecretHandshake
import SecureSession
import TestSupport
import Testing
import Transport
import TypedSodium

/// Peers in JavaScript write a frame's header and its body apart, and leave Nagle's algorithm on: then the body waits
/// until the header is acknowledged, which takes 40 ms unless we hurry.
@Suite("A peer that writes frames in pieces", .serialized)
struct SplitWriteTests {
    private static let network = NetworkIdentifier(FixedBytes<32>())

    /// Calls one ping after the other, every frame in two writes, and tells how long each took.
    private final class Pinging: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let peer: SessionPeer
        private let count: Int
        private let result: EventLoopPromise<[TimeAmount]>
        private var times: [TimeAmount] = []
        private var call: (number: RequestNumber, at: NIODeadline)?

        init(_ peer: SessionPeer, count: Int, result: EventLoopPromise<[TimeAmount]>) {
            self.peer = peer
            self.count = count
            self.result = result
        }

        func channelActive(context: ChannelHandlerContext) { pump(context) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            peer.receive(unwrapInboundIn(data))
            if let call, peer.replies[call.number] != nil {
                times.append(.now() - call.at)
                self.call = nil
            }
            guard times.count < count else { return result.succeed(times) }
            if call == nil, peer.session.isOpen, let number = try? peer.call("tunnel.ping") {
                call = (number, .now())
            }
            pump(context)
        }

        private func pump(_ context: ChannelHandlerContext) {
            while var bytes = peer.nextOutbound() {
                if peer.session.isOpen, let header = bytes.readSlice(length: 34) {
                    context.writeAndFlush(wrapOutboundOut(header), promise: nil)
                }
                context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
            }
        }
    }

    @Test("is answered without the wait for its body", .timeLimit(.minutes(1)))
    func portal() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let portal = Portal(
            identity: try .random(), network: Self.network,
            settings: PortalSettings(name: "quick") { 1_795_000_000_000 })
        let server = try await PortalServer.start(
            portal, over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: group)
        let loop = group.next()
        let result = loop.makePromise(of: [TimeAmount].self)
        let identity = try Identity.random()
        let connected = ClientBootstrap(group: loop).channelOption(.tcpOption(.tcp_nodelay), value: 0)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let peer = try SessionPeer(
                        identity, to: portal.identity.publicKey, network: Self.network)
                    try channel.pipeline.syncOperations.addHandler(
                        Pinging(peer, count: 60, result: result))
                }
            }.connect(host: "127.0.0.1", port: server.port)
        connected.whenFailure { result.fail($0) }
        let times = try await result.futureResult.get().sorted()
        #expect(times[times.count / 2] < .milliseconds(10), "the median of round trips")
        print("split writes: p50 \(times[30].nanoseconds / 1000) µs, p90 \(times[54].nanoseconds / 1000) µs")
        try await connected.get().close()
        await server.close()
        try await group.shutdownGracefully()
    }
}
