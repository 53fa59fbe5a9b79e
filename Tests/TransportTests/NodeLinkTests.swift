import Blinding
import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import PortalCore
import SecretHandshake
import TestSupport
import Testing
import Transport
import Tunnel
import TypedSodium

/// A hidden endpoint over real sockets.
@Suite("A link of a hidden endpoint")
struct NodeLinkTests {
    private static let network = NetworkIdentifier(FixedBytes<32>())

    @Test("tells every caller what the portal answered, and what became of the rest", .timeLimit(.minutes(1)))
    func announcements() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let settings = PortalSettings(name: "a portal") { 1_795_000_000_000 }
        let portal = Portal(identity: try .random(), network: Self.network, settings: settings)
        let server = try await PortalServer.start(
            portal, over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: group)
        let net = try NetAddress(host: "127.0.0.1", port: UInt16(server.port))
        let address = PeerAddress(net: net, key: portal.identity.publicKey)
        let policy = EndpointPolicy(services: ["ssh"], access: .anyone)
        let configuration = NodeConnection.Configuration(
            identity: try .random(), network: Self.network, reception: .hidden(policy),
            wallClock: { 1_795_000_000_000 })
        let link = try await NodeLink.dial(
            address.key, over: TCPConnector(address.net), showing: .random(), configuration: configuration,
            on: group.next())

        // A token that comes twice is refused by portals that know tokens, any token by the others.
        var random = SeededRandom(seed: 3)
        let entry = TokenEntry(token: PairToken(try FixedBytes(random.bytes(32))), owner: nil)
        await withTaskGroup(of: Void.self) { tasks in
            for _ in 0..<3 {
                tasks.addTask {
                    await #expect(throws: RemoteError.self) {
                        try await link.announce(hidden: [entry, entry])
                    }
                }
            }
        }
        await link.update(policy: EndpointPolicy(services: [], access: .only([:])))
        await link.close()
        await #expect(throws: MuxRPCError.closed) { try await link.announce(hidden: [entry]) }
        await server.close()
        try await group.shutdownGracefully()
    }
}
