import Blinding
import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import PortalCore
import SecretHandshake
import SecureSession
import Synchronization
import TestSupport
import Testing
import Transport
import Tunnel
import TypedSodium

/// What only a portal with sockets does: ask its owner off the loops, and count tokens by address.
@Suite("A portal that listens")
struct PortalServerTests {
    /// A peer on a socket that makes calls one after the other, and is done when the last is answered.
    private final class Caller: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let peer: SessionPeer
        private var calls: [(name: String, argument: JSONValue)]
        private var current: RequestNumber?
        private var answers: [Reply] = []
        private let result: EventLoopPromise<[Reply]>

        init(
            _ peer: SessionPeer, calls: [(name: String, argument: JSONValue)],
            result: EventLoopPromise<[Reply]>
        ) {
            self.peer = peer
            self.calls = calls
            self.result = result
        }

        func channelActive(context: ChannelHandlerContext) { pump(context) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            peer.receive(unwrapInboundIn(data))
            if let current, let reply = peer.replies[current] {
                answers.append(reply)
                self.current = nil
            }
            if current == nil, peer.session.isOpen { callNext() }
            pump(context)
        }

        func channelInactive(context: ChannelHandlerContext) { result.succeed(answers) }

        private func callNext() {
            guard !calls.isEmpty else { return result.succeed(answers) }
            let call = calls.removeFirst()
            current = try? peer.call(call.name, [call.argument])
        }

        private func pump(_ context: ChannelHandlerContext) {
            while let bytes = peer.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
            context.flush()
        }
    }

    private static let network = NetworkIdentifier(FixedBytes<32>())

    /// Connects, makes the calls, and returns what they were answered; the connection stays until the group ends.
    private func call(
        _ calls: [(name: String, argument: JSONValue)], as identity: Identity, at server: PortalServer,
        _ portal: Portal, on group: any EventLoopGroup
    ) async throws -> [Reply] {
        let loop = group.next()
        let result = loop.makePromise(of: [Reply].self)
        let connected = ClientBootstrap(group: loop).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let peer = try SessionPeer(identity, to: portal.identity.publicKey, network: Self.network)
                try channel.pipeline.syncOperations.addHandler(Caller(peer, calls: calls, result: result))
            }
        }.connect(host: "127.0.0.1", port: server.port)
        connected.whenFailure { result.fail($0) }
        return try await result.futureResult.get()
    }

    private func withPortal(
        _ change: (inout PortalSettings) -> Void,
        _ body: (Portal, PortalServer, any EventLoopGroup) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        var settings = PortalSettings(name: "listening") { 1_795_000_000_000 }
        change(&settings)
        let portal = Portal(identity: try .random(), network: Self.network, settings: settings)
        let server = try await PortalServer.start(
            portal, over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: group)
        try await body(portal, server, group)
        await server.close()
        try await group.shutdownGracefully()
    }

    @Test("asks its owner about an invite", .timeLimit(.minutes(1)))
    func invite() async throws {
        let (invite, feed) = (try Identity.random(), try Identity.random().publicKey)
        let asked = Mutex<[[PublicKey]]>([])
        try await withPortal {
            $0.policy = PortalPolicy(announcers: .members, callers: .members, invites: [invite.publicKey])
            $0.redeem = { invite, feed in
                asked.withLock { $0.append([invite, feed]) }
                return asked.withLock(\.count) == 1 ? .admitted : .refused("invite used up")
            }
        } _: { portal, server, group in
            let use = (name: "invite.use", argument: ["feed": .string(feed.id)] as JSONValue)
            let answers = try await call([use, use], as: invite, at: server, portal, on: group)
            #expect(answers == [.value(true), .failure(RemoteError("invite used up"))])
            #expect(asked.withLock(\.self) == [[invite.publicKey, feed], [invite.publicKey, feed]])
        }
    }

    @Test("counts the tokens of one address together", .timeLimit(.minutes(1)))
    func source() async throws {
        var random = SeededRandom(seed: 14)
        let values = try random.tokens(4).map { JSONValue.string($0.base64) }
        try await withPortal {
            $0.tokenLimits.sourceCount = 3
        } _: { portal, server, group in
            let announcement: JSONValue = ["hidden": true, "tokens": .array(values)]
            var few = announcement
            few["tokens"] = .array(Array(values[0..<2]))
            let first = try await call(
                [("tunnel.announce", few)], as: .random(), at: server, portal, on: group)
            let second = try await call(
                [("tunnel.announce", few)], as: .random(), at: server, portal, on: group)
            #expect(first == [.value(true)])
            #expect(second == [.failure(RemoteError("too many tokens"))])
            #expect(portal.metrics.tokenCount == 2)
        }
    }
}
