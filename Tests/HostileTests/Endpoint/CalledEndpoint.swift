import Blinding
import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import PortalCore
import SecretHandshake
import Transport
import Tunnel
import TypedSodium

/// An endpoint at a portal of this process, over real sockets; endpoint, portal and callers have threads of their own.
final class CalledEndpoint: Sendable {
    static let network = NetworkIdentifier(FixedBytes<32>())

    let endpoint, friend, invite: Identity
    let friendToken, sharedToken, inviteToken: PairToken
    let accounts = EndpointAccounts()
    let address: PeerAddress
    let link: NodeLink
    private let server: PortalServer
    private let groups: [MultiThreadedEventLoopGroup]

    /// Hidden, with tokens for the friend, for another one that is never there, and for an invite; or open to friends.
    init(isOpen: Bool = false) async throws {
        groups = (0..<3).map { _ in MultiThreadedEventLoopGroup(numberOfThreads: 1) } + [.ofOthers()]
        (endpoint, friend, invite) = (try .drawn(), try .drawn(), try .drawn())
        func token() throws -> PairToken { PairToken(try Identity.drawn().publicKey.bytes) }
        (friendToken, sharedToken, inviteToken) = (try token(), try token(), try token())
        let portal = Portal(
            identity: try .drawn(), network: Self.network,
            settings: PortalSettings(name: "a portal") { 1_795_000_000_000 })
        server = try await PortalServer.start(
            portal, over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: groups[0])
        address = PeerAddress(
            net: try NetAddress(host: "127.0.0.1", port: UInt16(server.port)), key: portal.identity.publicKey)
        let policy = EndpointPolicy(
            services: [], access: .only([friend.publicKey: .all]), invites: [invite.publicKey])
        var configuration = NodeConnection.Configuration(
            identity: endpoint, network: Self.network, reception: isOpen ? .open(policy) : .hidden(policy),
            wallClock: { 1_795_000_000_000 })
        configuration.accounts = accounts
        let (announced, continuation) = AsyncStream.makeStream(of: Void.self)
        link = try await NodeLink.dial(
            address.key, over: TCPConnector(address.net), showing: isOpen ? endpoint : .drawn(),
            configuration: configuration,
            on: groups[1].next()
        ) { event in
            if case .announced = event { continuation.finish() }
        }
        if isOpen {
            link.announce()
            for await _ in announced {}
        } else {
            try await link.announce(hidden: [
                TokenEntry(token: friendToken, owner: friend.publicKey),
                TokenEntry(token: sharedToken, owner: nil),
                TokenEntry(token: inviteToken, owner: invite.publicKey),
            ])
        }
    }

    /// What callers run on.
    var callers: any EventLoop { groups[2].next() }

    /// A connection of somebody who calls, under a fresh key; `apart` from the others, on a thread of its own.
    func caller(apart: Bool = false) async throws -> NodeLink {
        let configuration = NodeConnection.Configuration(
            identity: try .drawn(), network: Self.network, wallClock: { 0 })
        return try await NodeLink.dial(
            address.key, over: TCPConnector(address.net), showing: .drawn(), configuration: configuration,
            on: groups[apart ? 3 : 2].next())
    }

    /// How long pings take in a session, in milliseconds, sorted.
    func pings(_ count: Int, over link: NodeLink, on session: SessionID) async throws -> [Double] {
        var times: [Double] = []
        for _ in 0..<count {
            let start = NIODeadline.now()
            _ = try await link.call(["tunnel", "ping"], on: session)
            times.append(Double((NIODeadline.now() - start).nanoseconds) / 1e6)
            // A pace at which they meet whatever the attack does in a second or two.
            try await Task.sleep(for: .milliseconds(5))
        }
        return times.sorted()
    }

    /// Does something over and over, so many at once, while the body runs; how often it was done.
    func during<Value: Sendable>(
        _ attack: @escaping @Sendable () async -> Void, atOnce: Int, _ body: () async throws -> Value
    ) async throws -> (value: Value, count: Int) {
        // They have machines of their own; here the pool's threads turn to the others first.
        let attackers = (0..<atOnce).map { _ in
            Task(priority: .background) {
                var count = 0
                while !Task.isCancelled {
                    await attack()
                    count += 1
                }
                return count
            }
        }
        let result: Result<Value, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        var count = 0
        for attacker in attackers { attacker.cancel() }
        for attacker in attackers { count += await attacker.value }
        return (try result.get(), count)
    }

    func close() async throws {
        await link.close()
        await server.close()
        for group in groups { try await group.shutdownGracefully() }
    }
}
