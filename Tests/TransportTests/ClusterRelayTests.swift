import Cluster
import Connection
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
import TypedSodium

/// Two machines of one portal on sockets, a client at one and an endpoint at the other.
@Suite("Two machines on sockets", .timeLimit(.minutes(2)))
struct ClusterRelayTests {
    /// Other machines of which one has every target.
    private final class OtherMachine: PortalNeighbours {
        private struct Way: Sendable {
            let links: ClusterLinks
            let machine: MachineID
            let address: String
            let endpoint: PublicKey
        }

        private let way = Mutex<Way?>(nil)
        private let group: any EventLoopGroup

        init(on group: any EventLoopGroup) { self.group = group }

        func lead(over links: ClusterLinks, to machine: MachineID, at address: String, endpoint: PublicKey) {
            way.withLock {
                $0 = Way(links: links, machine: machine, address: address, endpoint: endpoint)
            }
        }

        func announced(_ peer: PublicKey, _ manner: NeighbourManner) {}
        func left(_ peer: PublicKey) {}
        func failed(_ lookUp: NeighbourLookUp, _ failure: NeighbourFailure) {}
        func end(_ lookUp: NeighbourLookUp) {}

        func lookUp(
            _ target: NeighbourTarget, for caller: NeighbourCaller,
            take: @escaping @Sendable (NeighbourStep) -> Void
        ) -> NeighbourLookUp {
            let loop = MultiThreadedEventLoopGroup.currentEventLoop ?? group.next()
            if let way = way.withLock({ $0 }) {
                way.links.session(to: way.machine, at: way.address, on: loop).whenComplete { result in
                    let link = (try? result.get()) ?? nil
                    take(link.map { .reach(link: $0, endpoint: way.endpoint) } ?? .unreachable)
                }
            }
            return NeighbourLookUp(1)
        }
    }

    /// What is done once.
    private final class Once: Sendable {
        private let isDone = Atomic(false)

        /// Whether this was not asked before.
        var isFirst: Bool { !isDone.exchange(true, ordering: .relaxed) }
    }

    /// A peer on a socket, which does something whenever something has come.
    private final class SocketPeer: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let peer: SessionPeer
        private let act: (SessionPeer) -> Void

        init(_ peer: SessionPeer, act: @escaping (SessionPeer) -> Void) {
            (self.peer, self.act) = (peer, act)
        }

        func channelActive(context: ChannelHandlerContext) { pump(context) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            peer.receive(unwrapInboundIn(data))
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            if peer.session.isOpen { act(peer) }
            pump(context)
        }

        private func pump(_ context: ChannelHandlerContext) {
            while let bytes = peer.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
            context.flush()
        }
    }

    private static let network = NetworkIdentifier(FixedBytes<32>())

    private func join(
        _ identity: Identity, to server: PortalServer, of portal: Portal, on group: any EventLoopGroup,
        act: @escaping @Sendable (SessionPeer) -> Void
    ) async throws -> any Channel {
        let key = portal.identity.publicKey
        return try await ClientBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let peer = try SessionPeer(identity, to: key, network: Self.network)
                try channel.pipeline.syncOperations.addHandler(SocketPeer(peer, act: act))
            }
        }.connect(host: "127.0.0.1", port: server.port).get()
    }

    private static func piece(_ number: Int) -> ByteBuffer {
        ByteBuffer(repeating: UInt8(number & 255), count: 4096)
    }

    /// Sends what has come back, byte by byte the same, in other pieces.
    private static func echo(_ peer: SessionPeer) {
        for tunnel in peer.tunnels {
            guard var bytes = peer.takeBytes(on: tunnel.stream) else { continue }
            while let piece = bytes.readSlice(length: min(30_000, bytes.readableBytes)),
                piece.readableBytes > 0
            {
                try? peer.session.muxrpc.send(piece, on: tunnel.stream)
            }
        }
    }

    @Test("carry a tunnel across, there and back, and end it in an error when the other machine is gone")
    func across() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let (identity, endpoint) = (try Identity.random(), try Identity.random())
        let neighbours = OtherMachine(on: group)
        var portals: [Portal] = []
        var servers: [PortalServer] = []
        var links: [ClusterLinks] = []
        var listeners: [Listener] = []
        for number in 0..<2 {
            var settings = PortalSettings(name: "machine \(number)") { 1_795_000_000_000 }
            if number == 0 { settings.neighbours = neighbours }
            let portal = Portal(identity: identity, network: Self.network, settings: settings)
            portals.append(portal)
            servers.append(
                try await PortalServer.start(
                    portal, over: TCPAcceptor(try ListenAddress("127.0.0.1:0")), group: group))
            let own = try ClusterLinks(
                of: portal, as: MachineID(high: 0, low: UInt64(number)), on: group, report: { _ in })
            links.append(own)
            listeners.append(try await own.listen(over: TCPAcceptor(try ListenAddress("127.0.0.1:0"))))
        }
        neighbours.lead(
            over: links[0], to: MachineID(high: 0, low: 1), at: "127.0.0.1:\(listeners[1].port)",
            endpoint: endpoint.publicKey)
        let announced = group.next().makePromise(of: Void.self)
        let hasAsked = Once()
        let far = try await join(endpoint, to: servers[1], of: portals[1], on: group) { peer in
            if hasAsked.isFirst {
                _ = try? peer.call("tunnel.announce")
            } else if !peer.replies.isEmpty {
                announced.succeed()
            }
            Self.echo(peer)
        }
        try await announced.futureResult.get()

        let byteCount = 4 << 20
        let done = group.next().makePromise(of: Bool.self)
        let ended = group.next().makePromise(of: String.self)
        let target = endpoint.publicKey.id
        let (hasCalled, hasBegun) = (Once(), Once())
        let near = try await join(.random(), to: servers[0], of: portals[0], on: group) { peer in
            guard !hasCalled.isFirst else {
                guard let tunnel = try? peer.connect(to: target) else { return }
                peer.session.send(Self.piece(0), on: tunnel)
                return
            }
            if let end = peer.ends.values.first { ended.succeed(end) }
            guard let (tunnel, bytes) = peer.bytes.first else { return }
            if hasBegun.isFirst {
                for number in 1..<(byteCount / 4096) {
                    // Every fourth packet fits no box.
                    if number % 4 == 3 {
                        try? peer.session.muxrpc.send(Self.piece(number), on: tunnel)
                    } else {
                        peer.session.send(Self.piece(number), on: tunnel)
                    }
                }
            }
            guard bytes.readableBytes == byteCount else { return }
            done.succeed(
                bytes.readableBytesView.enumerated().allSatisfy { Int($0.element) == $0.offset >> 12 & 255 })
        }
        let end = ended.futureResult
        done.completeWith(end.map { _ in false })
        #expect(try await done.futureResult.get())
        links[1].hangUp(MachineID(high: 0, low: 0))
        #expect(try await end.get() == ErrorText.otherSideIsGone)
        for channel in [near, far] { try await channel.close() }
        for listener in listeners { await listener.close() }
        for link in links { await link.close() }
        for server in servers { await server.close() }
        #expect(portals.allSatisfy { $0.metrics.queuedByteCount == 0 && $0.metrics.tunnelCount == 0 })
        try await group.shutdownGracefully()
    }
}
