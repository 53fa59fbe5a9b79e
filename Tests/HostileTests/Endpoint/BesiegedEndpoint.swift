import CMalloc
import Foundation
import Logging
import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import Node
import PortalCore
import SecretHandshake
import Synchronization
import Testing
import Transport
import Tunnel
import TypedSodium

/// An endpoint that is to be reached openly at two portals: hostile friends come through one, honest ones through the
/// other.
final class BesiegedEndpoint: Sendable {
    static let network = NetworkIdentifier(FixedBytes<32>())

    /// The uses of the invite are used up.
    let identity, honest, invite: Identity
    let hostile: [Identity]
    let accounts: EndpointAccounts
    let attacked, quiet: PeerAddress
    /// How the connections to the service `deaf` ended, which has nothing to say and does not read.
    let deafEnds = StreamCounter()
    private let deafPath: String
    private let portals: [Portal]
    private let links: [NodeLink]
    private let servers: [PortalServer]
    private let groups: [MultiThreadedEventLoopGroup]

    private init(hostileCount: Int, limits: EndpointAccounts.Limits) async throws {
        // The two portals, the endpoint, honest callers, hostile ones.
        groups = (0..<5).map { _ in MultiThreadedEventLoopGroup(numberOfThreads: 1) }
        (identity, honest, invite) = (try .drawn(), try .drawn(), try .drawn())
        hostile = try (0..<hostileCount).map { _ in try .drawn() }
        accounts = EndpointAccounts(limits)
        let stalled = try await LocalService.listen(reads: false, on: groups[2])
        let sink = try await LocalService.listen(reads: true, on: groups[2])
        let closed = try await LocalService.listenWithoutAccepting(on: groups[2])
        deafPath = try await LocalService.listenDeaf(ended: deafEnds, on: groups[2])
        let friends = Dictionary(
            uniqueKeysWithValues: ([honest] + hostile).map { ($0.publicKey, EndpointPolicy.Rights.all) })
        var configuration = NodeConnection.Configuration(
            identity: identity, network: Self.network,
            reception: .open(
                EndpointPolicy(
                    services: ["stalled", "sink", "unanswered", "deaf"], access: .only(friends),
                    invites: [invite.publicKey])),
            wallClock: { 1_795_000_000_000 })
        configuration.accounts = accounts
        var (addresses, portals): ([PeerAddress], [Portal]) = ([], [])
        var (servers, links): ([PortalServer], [NodeLink]) = ([], [])
        for group in groups.prefix(2) {
            let portal = Portal(
                identity: try .drawn(), network: Self.network,
                settings: PortalSettings(name: "a portal") { 1_795_000_000_000 })
            let server = try await PortalServer.start(
                portal, over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: group)
            let address = PeerAddress(
                net: try NetAddress(host: "127.0.0.1", port: UInt16(server.port)),
                key: portal.identity.publicKey)
            let (announced, continuation) = AsyncStream.makeStream(of: Void.self)
            let owner = Owner()
            let link = try await NodeLink.dial(
                address.key, over: TCPConnector(address.net), showing: identity, configuration: configuration,
                services: [
                    ServiceName("stalled"): TCPConnector.service(host: "127.0.0.1", port: stalled),
                    ServiceName("sink"): TCPConnector.service(host: "127.0.0.1", port: sink),
                    ServiceName("unanswered"): TCPConnector.service(host: "127.0.0.1", port: closed),
                    ServiceName("deaf"): UnixConnector(path: deafPath),
                ], on: groups[2].next()
            ) { event in
                if case .announced = event { continuation.finish() }
                if case .asked(let question) = event { owner.answer(question) }
            }
            owner.link.withLock { $0 = link }
            link.announce()
            for await _ in announced {}
            addresses.append(address)
            portals.append(portal)
            servers.append(server)
            links.append(link)
        }
        (attacked, quiet) = (addresses[0], addresses[1])
        (self.portals, self.servers, self.links) = (portals, servers, links)
    }

    /// Runs a test with one, and closes it.
    static func run(
        hostileCount: Int = 1, _ change: (inout EndpointAccounts.Limits) -> Void = { _ in },
        _ body: (BesiegedEndpoint) async throws -> Void
    ) async throws {
        ProcessDescriptors.raiseLimit()
        var limits = EndpointAccounts.Limits()
        change(&limits)
        let besieged = try await BesiegedEndpoint(hostileCount: hostileCount, limits: limits)
        do {
            try await body(besieged)
        } catch {
            Issue.record(error)
        }
        for link in besieged.links { await link.close() }
        for server in besieged.servers { await server.close() }
        for group in besieged.groups { try await group.shutdownGracefully() }
        try? FileManager.default.removeItem(atPath: besieged.deafPath)
    }

    /// What the accounts of the endpoint and of the portal hold that is attacked.
    private var heldByteCount: Int { accounts.heldByteCount + portals[0].metrics.heldByteCount }

    /// A connection of somebody hostile, from 127.0.0.`host`.
    func attacker(from host: Int = 66, as identity: Identity? = nil) async throws -> Attacker {
        try await HostileCaller.connect(
            to: attacked, network: Self.network, from: host, as: identity, on: groups[4].next())
    }

    /// A connection of the honest friend, or of another one, and a session.
    func pair(at portal: PeerAddress? = nil, as friend: Identity? = nil) async throws -> HonestPair {
        let honest = friend ?? honest
        let configuration = NodeConnection.Configuration(
            identity: honest, network: Self.network, wallClock: { 0 })
        let client = try await NodeLink.dial(
            (portal ?? quiet).key, over: TCPConnector((portal ?? quiet).net), showing: .drawn(),
            configuration: configuration, on: groups[3].next())
        let session = try await client.openTunnel(to: identity.publicKey, as: honest)
        return HonestPair(endpoint: links[1], client: client, session: session)
    }

    /// Has an honest friend's round trips measured before and during an attack, and everything given back after it.
    ///
    /// `during` is awaited while the attack lasts; an attack on a portal is looked at from there.
    func expectUnhurt(
        isAtPortal: Bool = false,
        _ attack: () async throws -> [Attacker], during act: (HonestPair) async throws -> Void = { _ in }
    ) async throws {
        let portal = isAtPortal ? attacked : quiet
        let pair = try await pair(at: portal)
        let before = try await pair.roundTrips(for: .milliseconds(700))
        let (held, used) = (heldByteCount, Memory.usedByteCount)
        let attackers = try await attack()
        let watch = Task {
            var peak = (held: 0, used: 0)
            // A peak is seen only by looking, again and again.
            while !Task.isCancelled {
                peak = (max(peak.held, heldByteCount), max(peak.used, Memory.usedByteCount))
                try? await Task.sleep(for: .milliseconds(10))
            }
            return peak
        }
        let during = try await pair.roundTrips(for: .milliseconds(1300))
        try await act(pair)
        let clock = ContinuousClock()
        let time = try await clock.measure {
            let newcomer = try await self.pair(at: portal)
            _ = try await newcomer.client.call(["tunnel", "ping"], on: newcomer.session)
            await newcomer.client.close()
        }
        watch.cancel()
        let peak = await watch.value
        print(
            "p50 \(before.percentile(50)) → \(during.percentile(50)), p99 \(before.percentile(99)) → ",
            "\(during.percentile(99)), newcomer \(time), held \(peak.held >> 10) KiB, ",
            "grown by \((peak.used - used) >> 10) KiB", separator: "")
        #expect(time < .seconds(2))
        #expect(during.percentile(99) <= before.percentile(99) + .milliseconds(50))
        #expect(peak.used - used <= 128 << 20)
        for attacker in attackers { attacker.close() }
        // What an account has drawn ahead counts, a step of 256 KiB at most; and no allocator tells what it has back.
        _ = try await Hostile.eventually(within: .seconds(15)) {
            heldByteCount <= held + 512 << 10 && Memory.usedByteCount <= used + 8 << 20
        }
        #expect(heldByteCount <= held + 512 << 10)
        #expect(Memory.usedByteCount <= used + 8 << 20)
        _ = try await pair.client.call(["tunnel", "ping"], on: pair.session)
        await pair.client.close()
    }
}

/// The owner of an endpoint, who has nothing to give.
private final class Owner: Sendable {
    let link = Mutex<NodeLink?>(nil)

    /// As a node does it whose keyring says no.
    func answer(_ question: Question) {
        guard let link = link.withLock(\.self) else { return }
        link.answer(question.id, with: .failure("invite used up"))
        link.closeTunnel(question.session)
    }
}

/// What the process has allocated and not freed.
enum Memory {
    static var usedByteCount: Int { Int(clamping: shim_malloc_used()) }
}

extension Logger {
    /// One that nobody reads.
    static let silent = Logger(label: "silent") { _ in SwiftLogNoOpLogHandler() }
}
