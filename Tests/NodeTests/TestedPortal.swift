import Blinding
import Invitation
import Keyring
import Multiserver
import NIOCore
import NIOPosix
import Node
import PortalCore
import SecretHandshake
import Transport
import TypedSodium

/// A portal on the loopback interface, inside the process of the test.
struct TestedPortal: Sendable {
    let portal: Portal
    let address: PeerAddress

    /// Runs one for as long as `body` takes, which is given an event loop to dial from.
    static func run(
        _ body: (TestedPortal, any EventLoop) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let settings = PortalSettings(name: "a portal") { Int64(WallClock.seconds()) * 1_000 }
        let portal = Portal(identity: try .random(), network: .scuttlebutt, settings: settings)
        let server = try await PortalServer.start(
            portal, over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: group)
        let net = try NetAddress(host: "127.0.0.1", port: UInt16(server.port))
        let tested = TestedPortal(
            portal: portal, address: PeerAddress(net: net, key: portal.identity.publicKey))
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(tested, group.next()))
        } catch {
            result = .failure(error)
        }
        await server.close()
        try await group.shutdownGracefully()
        try result.get()
    }

    /// The portal as a keyring names it.
    var place: PortalAddress {
        get throws {
            try PortalAddress(
                key: PortalKey(address.key), host: address.net.host, port: address.net.port, isOpen: false)
        }
    }

    /// How many connections it has.
    var connectionCount: Int { portal.metrics.connectionCount }

    /// Whether its connections come to be so many, within a few seconds.
    func has(_ count: Int) async throws -> Bool {
        for _ in 0..<500 where connectionCount != count { try await Task.sleep(for: .milliseconds(10)) }
        return connectionCount == count
    }
}
