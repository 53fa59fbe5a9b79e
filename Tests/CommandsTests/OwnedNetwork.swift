import Blinding
import Commands
import Foundation
import Keyring
import Logging
import Multiserver
import NIOCore
import NIOPosix
import Node
import Testing
import TypedSodium

/// A portal on the loopback interface, and an owner's node that is hidden there: for commands of friends.
///
/// The node is a process, because commands of the test open the owner's keyring, which a process does once.
struct OwnedNetwork: Sendable {
    let portal: PeerAddress
    /// The owner's home, from which the node serves.
    let owner: TestedHome

    /// Runs both, then `body`, then ends both in order; the portal's keyring is prepared before, and the node gets the
    /// flags.
    static func run(
        serving flags: [String] = [], preparing prepare: (Keyring) throws -> Void = { _ in },
        _ body: @escaping @Sendable (OwnedNetwork) async throws -> Void
    ) async throws {
        let (owner, operated) = (TestedHome(), TestedHome())
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let logger = LogOutput.logger(level: .critical)
        let (ready, isReady) = AsyncStream.makeStream(of: PeerAddress.self)
        _ = await operated.id()
        var configuration = try TestedNetwork.portalConfiguration()
        let keyring = try Keyring(
            folder: operated.path, owner: EndpointKey(configuration.identity.publicKey),
            now: WallClock.seconds())
        try prepare(keyring)
        configuration.keyring = keyring
        let portal = PortalService(configuration, group: group, logger: logger) {
            for address in $0 { isReady.yield(address) }
        }
        try await TestedNetwork.within(portal, logger) {
            guard let address = await TestedNetwork.first(of: ready) else { throw CancellationError() }
            #expect(await owner.run("portals", "add", "\(address)").ended(.success))
            _ = try await owner.invite("--label", "first")
            let node = try BuiltCway("serve", "--home", owner.path, "--log-level", "error", flags: flags)
            defer { node.signal(SIGTERM) }
            try await node.printed("")
            try await body(OwnedNetwork(portal: address, owner: owner))
            node.signal(SIGTERM)
            #expect(try await node.code() == 0, "\(node.complaints)")
        }
        try await group.shutdownGracefully()
    }
}
