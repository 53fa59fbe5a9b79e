import Foundation
import Glibc
import Logging
import Multiserver
import NIOCore
import NIOPosix
import Node
import PeerSupport
import PortalCore
import ServiceLifecycle
import Testing
import Tunnel
import TypedSodium

extension Integration {
    /// Without anything that knows of machines: two plain portals with the same key, behind one list.
    @Suite("Two portals of one key")
    struct AlternativesTests {
        private static func pair(
            on stage: Stage, _ flags: [String] = []
        ) async throws -> (portals: [TestNetwork.Portal], list: String) {
            let first = try await TestNetwork.Portal.start(on: stage, home: "first", flags)
            let home = stage.path("second")
            try FileManager.default.createDirectory(
                atPath: home, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            try FileManager.default.copyItem(
                atPath: stage.path("first") + "/secret", toPath: home + "/secret")
            let second = try await TestNetwork.Portal.start(on: stage, home: "second", flags)
            #expect(first.peer.key == second.peer.key)
            return ([first, second], "\(first.address);\(second.address)")
        }

        @Test("are left for each other: where one is killed, endpoint and caller are back within 10 s")
        func killed() async throws {
            try await Stage.run { stage in
                let (portals, list) = try await Self.pair(on: stage)
                let echo = try await stage.service(.echo).port
                try await stage.run(home: "endpoint", ["portals", "add", list])
                let endpoint = try stage.cway(
                    home: "endpoint",
                    ["serve", "--visible", "--allow-anyone", "--service", "echo=127.0.0.1:\(echo)"])
                let target = try await endpoint.line()
                let table = try await stage.run(home: "endpoint", ["portals"])
                let forward = try stage.cway(
                    home: "caller", ["connect", target, "echo", "--portal", list, "--listen", "127.0.0.1:0"])
                let port = try #require(
                    try await forward.line().split(separator: ":").last.flatMap { Int($0) })
                let open = try await LocalConnection.dial(port)
                try await open.expectEcho("before")

                let used = table.split(separator: "\n").filter { $0.contains(" yes ") }
                #expect(used.count == 1, "\(table)")
                let isFirst = used.first?.contains(":\(portals[0].port)") == true
                let holder = isFirst ? portals[0] : portals[1]
                let start = ContinuousClock.now
                holder.process.signal(SIGKILL)
                #expect(try await open.end(within: .seconds(5)).ending == .broken)
                let time = try await LocalConnection.freshCall(to: port, since: start)
                #expect(time < .seconds(10), "\(time)")
                let after = try await stage.run(home: "endpoint", ["portals"])
                #expect(
                    after.split(separator: "\n").contains { $0.contains(" yes ") && !used.contains($0) },
                    "\(after)")
            }
        }

        @Test("are tried in turn: one that takes connections and says nothing costs its head start")
        func stopped() async throws {
            try await Stage.run { stage in
                let (portals, list) = try await Self.pair(on: stage)
                portals[0].process.signal(SIGSTOP)
                let endpoint = try stage.cway(
                    home: "endpoint", ["serve", "--allow-anyone", "--portal", list])
                let start = ContinuousClock.now
                let target = try await endpoint.line()
                for _ in 0..<3 {
                    let call = try stage.cway(
                        home: "caller", ["call", target, "service.list", "--portal", list])
                    #expect(try await call.end() == .exit(0), "\(call.log)")
                }
                #expect(
                    ContinuousClock.now - start < .seconds(9),
                    "2 s once, and 250 ms for each call at the worst")
                portals[0].process.signal(SIGCONT)
            }
        }

        @Test("take 150 endpoints over when one of them dies, each of which dials it once more at most")
        func storm() async throws {
            try await Stage.run { stage in
                let limits = ["--connections-per-address", "400", "--handshakes-per-second", "1000"]
                let (portals, _) = try await Self.pair(on: stage, limits)
                let endpoints = try await Crowd.announce(150, at: portals.map(\.peer))
                let before = endpoints.attemptCounts
                let moving = await endpoints.count(at: portals[0].peer)
                #expect(moving > 40 && moving < 110, "half of them or so: \(moving)")
                let start = ContinuousClock.now
                portals[0].process.signal(SIGKILL)
                try await portals[0].process.end()
                while await endpoints.count(at: portals[1].peer) < 150 { try Task.checkCancellation() }
                let time = ContinuousClock.now - start
                let after = endpoints.attemptCounts
                #expect(time < .seconds(10), "\(time)")
                #expect(after.dialled - before.dialled == moving && endpoints.announcedCount == 150 + moving)
                #expect(after.failed == before.failed, "nobody has dialled in vain")
                await endpoints.stop()
            }
        }
    }
}

/// Many endpoints inside the test.
private final class Crowd: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let services: ServiceGroup
    private let serving: Task<Void, any Error>
    private let accounts: [EndpointAccounts]
    private let watches: [NodeWatch]
    private let announcements: Watched<Int>

    /// Announces so many at a portal with those addresses.
    static func announce(_ count: Int, at portals: [PeerAddress]) async throws -> Crowd {
        let crowd = try Crowd(count, at: portals)
        _ = try await crowd.announcements.first(within: .seconds(60)) { $0 >= count ? () : nil }
        return crowd
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
        for _ in 0..<count {
            let configuration = EndpointService.Configuration(identity: try .random(), settings: settings)
            accounts.append(configuration.accounts)
            watches.append(configuration.watch)
            endpoints.append(
                EndpointService(configuration, group: group, logger: logger) { _ in
                    announcements.update { $0 += 1 }
                })
        }
        let services = ServiceGroup(services: endpoints, logger: logger)
        (self.group, self.services, self.announcements) = (group, services, announcements)
        (self.accounts, self.watches) = (accounts, watches)
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
