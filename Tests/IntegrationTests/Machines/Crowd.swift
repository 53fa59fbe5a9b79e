import Logging
import Multiserver
import NIOCore
import NIOPosix
import Node
import PeerSupport
import ServiceLifecycle
import Tunnel
import TypedSodium

/// Many endpoints inside the test.
final class Crowd: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let services: ServiceGroup
    private let serving: Task<Void, any Error>
    private let accounts: [EndpointAccounts]
    private let watches: [NodeWatch]
    private let announcements: Watched<Int>
    /// Whom to call.
    let keys: [PublicKey]

    /// Announces so many at a portal with those addresses.
    static func announce(_ count: Int, at portals: [PeerAddress]) async throws -> Crowd {
        let crowd = try Crowd(count, at: portals)
        try await crowd.isAnnounced(times: count)
        return crowd
    }

    /// Waits until there were so many announcements of them in all.
    func isAnnounced(times count: Int) async throws {
        try await announcements.first { $0 >= count ? () : nil }
    }

    private init(_ count: Int, at portals: [PeerAddress]) throws {
        let announcements = Watched(0)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        var settings = Settings()
        (settings.portals, settings.allowAnyone) = (portals, true)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        var endpoints: [EndpointService] = []
        var (accounts, watches): ([EndpointAccounts], [NodeWatch]) = ([], [])
        var keys: [PublicKey] = []
        for _ in 0..<count {
            let identity = try Identity.random()
            keys.append(identity.publicKey)
            let configuration = EndpointService.Configuration(identity: identity, settings: settings)
            accounts.append(configuration.accounts)
            watches.append(configuration.watch)
            endpoints.append(
                EndpointService(configuration, group: group, logger: logger) { _ in
                    announcements.update { $0 += 1 }
                })
        }
        let services = ServiceGroup(services: endpoints, logger: logger)
        (self.group, self.services, self.announcements) = (group, services, announcements)
        (self.accounts, self.watches, self.keys) = (accounts, watches, keys)
        serving = Task { try await services.run() }
    }

    /// How often an endpoint was announced.
    var announcedCount: Int { announcements.value }

    /// How many dials have come to a connection, and how many to nothing.
    var attemptCounts: (dialled: Int, failed: Int) {
        accounts.reduce(into: (0, 0)) { counts, accounts in
            counts.0 += accounts.metrics.portalEvents[.dialled] ?? 0
            counts.1 += accounts.metrics.portalEvents[.notDialled] ?? 0
        }
    }

    /// How many are announced at a portal's address.
    func count(at portal: PeerAddress) async -> Int {
        var count = 0
        for watch in watches {
            let states = await watch.snapshot().portals
            count += states.count { $0.stage == .announced && $0.used == portal.net.hostAndPort }
        }
        return count
    }

    func stop() async {
        await services.triggerGracefulShutdown()
        _ = await serving.result
        try? await group.shutdownGracefully()
    }
}
