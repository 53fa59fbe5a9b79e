import Multiserver
import NIOCore
import NIOPosix
import PortalCore
import SecretHandshake
import TestSupport
import Testing
import Transport
import Tunnel
import TypedSodium

/// Adversaries over real sockets, beside an endpoint and a client that exchange bytes all the while.
@Suite("A portal that listens, under attack")
struct AdversarySocketTests {
    private static let network = NetworkIdentifier(FixedBytes<32>())
    private static let seeds: Range<UInt64> = 0..<48

    private func configuration(_ policy: EndpointPolicy?) throws -> NodeConnection.Configuration {
        NodeConnection.Configuration(
            identity: try .random(), network: Self.network, reception: policy.map { .open($0) } ?? .none,
            wallClock: { 1_795_000_000_000 })
    }

    private func dial(
        _ portal: PeerAddress, _ configuration: NodeConnection.Configuration, on group: any EventLoopGroup,
        report: @escaping @Sendable (NodeLinkEvent) -> Void = { _ in }
    ) async throws -> NodeLink {
        try await NodeLink.dial(
            portal.key, over: TCPConnector(portal.net), showing: configuration.identity,
            configuration: configuration, on: group.next(),
            report: report)
    }

    /// An endpoint that has announced itself.
    private func endpoint(
        _ portal: PeerAddress, _ configuration: NodeConnection.Configuration, on group: any EventLoopGroup
    ) async throws -> NodeLink {
        let (announced, continuation) = AsyncStream.makeStream(of: Void.self)
        let link = try await dial(portal, configuration, on: group) { event in
            if case .announced = event { continuation.finish() }
        }
        link.announce()
        for await _ in announced {}
        return link
    }

    private func attack(
        _ plan: AdversaryPlan, in context: AdversaryContext, port: Int, on group: any EventLoopGroup
    ) async throws -> [String] {
        let loop = group.next()
        let result = loop.makePromise(of: [String].self)
        // Each from an address of its own: a portal passes few unanswered calls of one source on at a time.
        let source = try SocketAddress(ipAddress: "127.0.1.\(1 + plan.seed % 250)", port: 0)
        let connected = ClientBootstrap(group: loop).bind(to: source).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(
                    HostileChannel(AdversarialPeer(plan, in: context), complaints: result))
            }
        }.connect(host: "127.0.0.1", port: port)
        connected.whenFailure { result.fail($0) }
        return try await result.futureResult.get().map { "\(plan): \($0)" }
    }

    @Test("serves the others all the while", .timeLimit(.minutes(3)))
    func crowd() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        var settings = PortalSettings(name: "attacked") { 1_795_000_000_000 }
        // Nobody waits here for floods that are read at 50 calls a second.
        settings.callBurst = 1_000_000
        let portal = Portal(identity: try .random(), network: Self.network, settings: settings)
        let server = try await PortalServer.start(
            portal, over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: group)
        let net = try NetAddress(host: "127.0.0.1", port: UInt16(server.port))
        let address = PeerAddress(net: net, key: portal.identity.publicKey)

        let answering = try configuration(EndpointPolicy(services: ["ssh"], access: .anyone))
        let target = answering.identity.publicKey
        let endpoint = try await endpoint(address, answering, on: group)
        let client = try await dial(address, configuration(nil), on: group)
        let session = try await client.openTunnel(to: target)
        let isWanted = EchoLoop.Switch()
        let rounds = client.eventLoop.makePromise(of: Int.self)
        try await client.open(.echo, on: session) { [loop = client.eventLoop] handle in
            let end = EchoLoop(handle, while: isWanted, rounds: rounds)
            loop.assumeIsolated().execute { end.start() }
            return end
        }

        let complaints = try await withThrowingTaskGroup(of: [String].self) { tasks in
            for seed in Self.seeds {
                var context = AdversaryContext(
                    network: Self.network, identity: try .random(), victim: target)
                context.server = portal.identity.publicKey
                context.portal = portal.identity.publicKey
                let plan = AdversaryPlan(
                    seed: seed, role: .client, depth: seed.isMultiple(of: 2) ? .outer : .callingTunnel)
                tasks.addTask { [context] in
                    try await attack(plan, in: context, port: server.port, on: group)
                }
            }
            return try await tasks.reduce(into: []) { $0 += $1 }
        }
        #expect(complaints.isEmpty)
        isWanted.turnOff()
        #expect(try await rounds.futureResult.get() > 0)
        await client.close()
        await endpoint.close()
        await server.close()
        let left = portal.metrics
        #expect(left.connectionCount == 0 && left.tunnelCount == 0 && left.queuedByteCount == 0)
        #expect(left.tokenCount == 0)
        try await group.shutdownGracefully()
    }
}
