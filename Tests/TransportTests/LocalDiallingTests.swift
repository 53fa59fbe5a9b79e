import Multiserver
import NIOCore
import NIOPosix
import SecretHandshake
import Synchronization
import Testing
import Transport
import Tunnel
import TypedSodium

@Suite("Dialling an address that means this machine or its links")
struct LocalDiallingTests {
    private static let network = NetworkIdentifier(FixedBytes<32>())

    /// Dials, and gives what came of it.
    private static func dial(_ host: String, _ port: UInt16, namedBy author: AddressAuthor) async throws
        -> DialFailure?
    {
        let peer = PeerAddress(
            net: try NetAddress(host: host, port: port), key: try Identity.random().publicKey)
        let configuration = NodeConnection.Configuration(
            identity: try .random(), network: network, wallClock: { 0 })
        do {
            let link = try await NodeLink.dial(
                peer.key, over: TCPConnector(peer.net, namedBy: author), showing: .random(),
                configuration: configuration,
                on: MultiThreadedEventLoopGroup.singleton.next())
            await link.close()
            return nil
        } catch let failure as DialFailure {
            return failure
        }
    }

    @Test(
        "is not dialled where others name it, by whatever name it goes", .timeLimit(.minutes(1)),
        arguments: ["127.0.0.1", "127.0.0.2", "localhost", "0.0.0.0", "::ffff:127.0.0.1", "0x7f000001"])
    func dialled(_ host: String) async throws {
        let (accepted, counter) = AsyncStream.makeStream(of: Void.self)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                counter.yield()
                return channel.close()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(try #require(listener.localAddress?.port))
        let refused = try await Self.dial(host, port, namedBy: .others)
        guard case .localAddress(let error)? = refused else {
            Issue.record("\(host): \(String(describing: refused))")
            return
        }
        #expect([.loopback, .unspecified].contains(error.kind) && !error.address.isEmpty)
        let allowed = try await Self.dial(host, port, namedBy: .owner)
        if case .localAddress? = allowed { Issue.record("\(host): refused to the owner") }
        try await listener.close().get()
        counter.finish()
        // The owner's own dial arrived, at 127.0.0.1 alone; the other one did not.
        var count = 0
        for await _ in accepted { count += 1 }
        #expect(count == (host == "127.0.0.2" ? 0 : 1), "\(host)")
    }

    @Test("does not keep others' words from leading elsewhere", .timeLimit(.minutes(1)))
    func elsewhere() async throws {
        // Reserved for documentation: nothing is there, and no network of ours leads there.
        let failure = try await Self.dial("name.invalid", 8008, namedBy: .others)
        guard case .unreachable? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
    }
}
