import Blinding
import Cluster
import Logging
import Multiserver
import MuxRPC
import NATS
import NIOCore
import NIOPosix
import Node
import PeerSupport
import PortalCore
import SecretHandshake
import TestSupport
import Testing
import TypedSodium

/// One machine of a test: a portal in memory, the real runtime, and NATS where there is one.
private final class TestedMachine {
    let machine: MachineID
    let world: PortalWorld
    let runtime: ClusterRuntime
    let events = Watched<[ClusterEvent]>([])
    private let links: MemoryLinks
    private var engine: Task<Void, Never>?

    init(
        _ number: UInt64, of identity: Identity, _ links: MemoryLinks, at server: NATSServer?,
        wallMilliseconds: Int64 = WallClock.milliseconds()
    ) throws {
        machine = MachineID(high: number, low: number)
        self.links = links
        let settings = MachineSettings(
            machine: machine, address: "127.0.0.1:\(number)",
            wallMilliseconds: UInt64(wallMilliseconds))
        let runtime = ClusterRuntime(
            settings, portal: identity.publicKey, seal: ClusterSeal(try ClusterKeys(portal: identity)),
            portalGroup: MultiThreadedEventLoopGroup.singleton
        ) { [events] event in
            events.update { $0.append(event) }
        }
        self.runtime = runtime
        world = try PortalWorld { $0.neighbours = runtime }
        var engine: ClusterEngine?
        if let server {
            let made = ClusterEngine(
                NATSSettings(servers: [server.address], name: "test"), subjects: runtime.subjects,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ) { runtime.take($0) }
            self.engine = Task { await made.run() }
            engine = made
        }
        runtime.start(world.portal, links: links.ends(of: machine) { runtime.take($0) }, engine: engine)
    }

    func serves() async throws {
        _ = try await events.first { $0.contains(.serving) ? true : nil }
    }

    func joined(_ other: TestedMachine) async throws {
        let other = other.machine
        _ = try await events.first { events in
            events.contains { if case .joined(other, _) = $0 { true } else { false } } ? true : nil
        }
    }

    /// The last step of a look-up; what it is told to reach is given up as often as wished.
    func lookUp(_ target: NeighbourTarget, failing count: Int = 0) async throws -> [NeighbourStep] {
        let steps = Watched<[NeighbourStep]>([])
        let number = runtime.lookUp(target, for: .stranger(source: "\(UInt64.random(in: 0 ... .max))")) {
            step in
            steps.update { $0.append(step) }
        }
        for index in 0..<count {
            _ = try await steps.first { $0.count > index ? true : nil }
            runtime.failed(number, .refused)
        }
        let all = try await steps.first { $0.count > count ? $0 : nil }
        runtime.end(number)
        return all
    }

    /// Waits until the portal lists these, and nobody else.
    func lists(_ keys: [PublicKey]) async throws {
        let wanted = Set(keys.map(\.id))
        try await before(.seconds(60)) { [portal = world.portal] in
            while Set(portal.attendance.ids) != wanted { try await Task.sleep(for: .milliseconds(10)) }
        }
    }

    /// Waits until a connection announces nothing.
    func isIdle(_ connection: ConnectionID) async throws {
        try await before(.seconds(60)) { [portal = world.portal] in
            while !portal.isIdle(connection) { try await Task.sleep(for: .milliseconds(10)) }
        }
    }

    func end() async {
        links.kill(machine)
        engine?.cancel()
        await engine?.value
        await runtime.close()
    }
}

@Suite("The runtime of a machine in a cluster", .serialized)
struct ClusterRuntimeTests {
    private var random = SeededRandom(seed: 7)
    private let links = MemoryLinks()
    private let identity: Identity

    init() throws { identity = try .random() }

    private func machines(_ count: UInt64, at server: NATSServer?) async throws -> [TestedMachine] {
        let machines = try (1...count).map { try TestedMachine($0, of: identity, links, at: server) }
        for machine in machines {
            try await machine.serves()
            for other in machines where other !== machine { try await machine.joined(other) }
        }
        return machines
    }

    private func announce(_ peer: SessionPeer, at machine: TestedMachine) throws {
        let call = try peer.call("tunnel.announce")
        machine.world.run()
        #expect(peer.isDone(call))
    }

    @Test("finds by id and by token what is announced at another machine, and lists it")
    mutating func finds() async throws {
        let server = try await NATSServer()
        let machines = try await machines(3, at: server)
        let (open, openLink) = try machines[0].world.connect(.random())
        try announce(open, at: machines[0])
        let tokens = try random.tokens(3)
        let (hidden, _) = try machines[1].world.connect(.random())
        let call = try hidden.announce(tokens)
        machines[1].world.run()
        #expect(hidden.isDone(call))
        for machine in machines { try await machine.lists([open.key]) }

        let there = ConnectionID(machines[0].machine.number)
        let steps = try await machines[2].lookUp(.id(open.key))
        #expect(steps == [.reach(link: there, endpoint: open.key)])
        let byToken = try await machines[2].lookUp(.token(tokens[1].bytes, provedBy: nil))
        let beside = ConnectionID(machines[1].machine.number)
        #expect(byToken == [.reach(link: beside, endpoint: hidden.key)])
        let byKey = try await machines[0].lookUp(.token(tokens[2].bytes, provedBy: hidden.key))
        #expect(byKey == [.reach(link: beside, endpoint: hidden.key)])
        #expect(try await machines[0].lookUp(.token(tokens[2].bytes, provedBy: open.key)) == [.missed])
        #expect(try await machines[2].lookUp(.id(hidden.key)) == [.missed])
        #expect(try await machines[2].lookUp(.nobody) == [.missed])
        // One that refuses is asked about once more, and then missed.
        #expect(try await machines[2].lookUp(.id(open.key), failing: 1).last == .missed)

        machines[0].world.drop(openLink)
        for machine in machines { try await machine.lists([]) }
        #expect(try await machines[2].lookUp(.id(open.key)) == [.missed])
        for machine in machines { await machine.end() }
    }

    @Test("ends an announcement for which another machine has a later one")
    func yields() async throws {
        let server = try await NATSServer()
        let machines = try await machines(2, at: server)
        let roamer = try Identity.random()
        let (first, firstLink) = try machines[0].world.connect(roamer)
        try announce(first, at: machines[0])
        try await machines[1].lists([roamer.publicKey])
        let (second, secondLink) = try machines[1].world.connect(roamer)
        try announce(second, at: machines[1])
        try await machines[0].isIdle(firstLink.connection.id)
        machines[0].world.run()
        #expect(!firstLink.connection.isOpen && secondLink.connection.isOpen)
        try await machines[0].lists([roamer.publicKey])
        // To look at the lists is no announcement then.
        let (lister, listerLink) = try machines[0].world.connect(roamer)
        _ = try lister.open(.source, "tunnel.endpoints", [])
        machines[0].world.run()
        try await machines[0].isIdle(listerLink.connection.id)
        #expect(listerLink.connection.isOpen && secondLink.connection.isOpen)
        for machine in machines { await machine.end() }
    }

    @Test("goes on over links while NATS is away, and comes back by itself")
    func withoutEngine() async throws {
        let server = try await NATSServer()
        let machines = try await machines(2, at: server)
        server.kill()
        let (peer, _) = try machines[0].world.connect(.random())
        try announce(peer, at: machines[0])
        try await machines[1].lists([peer.key])
        let there = ConnectionID(machines[0].machine.number)
        #expect(try await machines[1].lookUp(.id(peer.key)).last == .reach(link: there, endpoint: peer.key))
        try await server.start()
        let (late, _) = try machines[1].world.connect(.random())
        try announce(late, at: machines[1])
        try await machines[0].lists([peer.key, late.key])
        #expect(
            machines.allSatisfy { !$0.events.value.contains { if case .gone = $0 { true } else { false } } })
        for machine in machines { await machine.end() }
    }

    @Test("forgets a machine that is gone, with what it announced")
    func death() async throws {
        let server = try await NATSServer()
        let machines = try await machines(3, at: server)
        let (peer, _) = try machines[0].world.connect(.random())
        try announce(peer, at: machines[0])
        try await machines[1].lists([peer.key])
        await machines[0].end()
        try await machines[1].lists([])
        #expect(machines[1].events.value.contains(.gone(machines[0].machine)))
        #expect(try await machines[2].lookUp(.id(peer.key)) == [.missed])
        for machine in machines.dropFirst() { await machine.end() }
    }

    @Test("does not serve with a clock that is not the others', and says so")
    func clocks() async throws {
        let server = try await NATSServer()
        let machines = try await machines(1, at: server)
        let late = try TestedMachine(
            2, of: identity, links, at: server, wallMilliseconds: WallClock.milliseconds() - 20_000)
        _ = try await late.events.first { $0.contains(.notServing) ? true : nil }
        #expect(!late.runtime.isServing && machines[0].runtime.isServing)
        await late.end()
        await machines[0].end()
    }

    @Test("reads nothing of another portal's machines")
    func strangers() async throws {
        let server = try await NATSServer()
        let machines = try await machines(1, at: server)
        let other = try TestedMachine(2, of: try .random(), links, at: server)
        try await other.serves()
        #expect(other.events.value == [.serving])
        await other.end()
        await machines[0].end()
    }
}
