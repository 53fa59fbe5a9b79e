import Blinding
import Commands
import Keyring
import Logging
import Multiserver
import NIOCore
import NIOPosix
import Node
import Sodium
import Testing

/// A portal on the loopback interface, and an owner's node that is hidden there: for commands of friends.
struct OwnedNetwork: Sendable {
    let portal: PeerAddress
    /// The owner's home, from which the node serves.
    let owner: TestedHome

    /// Runs both, then `body`, then ends both in order.
    static func run(_ body: @escaping @Sendable (OwnedNetwork) async throws -> Void) async throws {
        let (owner, operated) = (TestedHome(), TestedHome())
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let logger = LogOutput.logger(level: .critical)
        let (ready, isReady) = AsyncStream.makeStream(of: PeerAddress.self)
        var configuration = try TestedNetwork.portalConfiguration()
        let identity = configuration.identity
        _ = await operated.id()
        configuration.keyring = try keyring(of: identity, in: operated)
        let portal = PortalService(configuration, group: group, logger: logger) {
            for address in $0 { isReady.yield(address) }
        }
        try await TestedNetwork.within(portal, logger) {
            guard let address = await TestedNetwork.first(of: ready) else { throw CancellationError() }
            #expect(await owner.run("portals", "add", "\(address)").ended(.success))
            let (announced, isAnnounced) = AsyncStream.makeStream(of: Address.self)
            let identity = try SecretFile(in: Home(path: owner.path, environment: [:])).load()
            let endpoint = EndpointService(
                .init(
                    identity: identity, settings: Settings(), keyring: try keyring(of: identity, in: owner)),
                group: group, logger: logger
            ) { isAnnounced.yield($0) }
            try await TestedNetwork.within(endpoint, logger) {
                _ = await TestedNetwork.first(of: announced)
                try await body(OwnedNetwork(portal: address, owner: owner))
            }
        }
        try await group.shutdownGracefully()
    }

    private static func keyring(of identity: Identity, in home: TestedHome) throws -> Keyring {
        try Keyring(
            folder: home.path, owner: EndpointKey(identity.publicKey), now: WallClock.seconds(),
            ifMissing: .create)
    }
}
