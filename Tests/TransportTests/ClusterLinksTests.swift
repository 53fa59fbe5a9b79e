import Cluster
import Connection
import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import PortalCore
import SecretHandshake
import SecureSession
import Synchronization
import TestSupport
import Testing
import Transport
import TypedSodium

/// Links over real sockets.
@Suite("The links of a machine", .timeLimit(.minutes(2)))
struct ClusterLinksTests {
    /// One machine of a portal: its links, and what they have told.
    private final class Machine: Sendable {
        let id: MachineID
        let portal: Portal
        let links: ClusterLinks
        let listener: Listener
        let events: AsyncStream<MachineLinkEvent>

        var address: String { "127.0.0.1:\(listener.port)" }

        init(
            _ number: UInt64, of identity: Identity, on group: any EventLoopGroup,
            neighbours: (any PortalNeighbours)? = nil
        ) async throws {
            id = MachineID(high: 0, low: number)
            var settings = PortalSettings(name: "machine") { 1_795_000_000_000 }
            settings.neighbours = neighbours
            portal = Portal(identity: identity, network: NetworkIdentifier(FixedBytes()), settings: settings)
            let (events, continuation) = AsyncStream.makeStream(of: MachineLinkEvent.self)
            self.events = events
            links = try ClusterLinks(of: portal, as: id, on: group) { continuation.yield($0) }
            listener = try await links.listen(over: TCPAcceptor(try ListenAddress("127.0.0.1:0")))
        }

        /// Waits for an event; what is heard in between is passed over.
        func await(_ wanted: MachineLinkEvent) async -> Bool {
            for await event in events where event == wanted { return true }
            return false
        }

        func close() async {
            await listener.close()
            await links.close()
        }
    }

    private func withMachines(
        _ count: Int, neighbours: (any PortalNeighbours)? = nil, _ body: ([Machine]) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let identity = try Identity.random()
        var machines: [Machine] = []
        for number in 0..<count {
            machines.append(
                try await Machine(
                    UInt64(number + 1), of: identity, on: group, neighbours: number == 0 ? neighbours : nil))
        }
        do {
            try await body(machines)
        } catch {
            for machine in machines { await machine.close() }
            try await group.shutdownGracefully()
            throw error
        }
        for machine in machines { await machine.close() }
        try await group.shutdownGracefully()
    }

    @Test("for messages stand once they are dialled, carry both ways, and are missed when they are gone")
    func control() async throws {
        try await withMachines(3) { machines in
            let (first, second, third) = (machines[0], machines[1], machines[2])
            first.links.dial(second.id, at: second.address)
            third.links.dial(first.id, at: first.address)
            #expect(await first.await(.up(second.id)))
            #expect(await second.await(.up(first.id)))
            #expect(await third.await(.up(first.id)))
            // Whoever asks again is told again.
            first.links.dial(second.id, at: second.address)
            #expect(await first.await(.up(second.id)))
            let long = [UInt8](repeating: 7, count: 66_000)
            first.links.send(long, to: second.id)
            #expect(await second.await(.message(long, from: first.id)))
            second.links.send([1, 2, 3], to: first.id)
            #expect(await first.await(.message([1, 2, 3], from: second.id)))
            // Nobody is there, and nothing comes of it.
            second.links.send([1], to: third.id)
            second.links.hangUp(first.id)
            #expect(await second.await(.down(first.id)))
            #expect(await first.await(.down(second.id)))
            first.links.dial(second.id, at: second.address)
            #expect(await second.await(.up(first.id)))
        }
    }

    @Test("are not made where nobody listens, another machine does, or a machine of another portal")
    func wrong() async throws {
        try await withMachines(2) { machines in
            let (first, second) = (machines[0], machines[1])
            let absent = MachineID(high: 9, low: 9)
            first.links.dial(absent, at: second.address)
            #expect(await first.await(.down(absent)))
            first.links.dial(second.id, at: "127.0.0.1:1")
            #expect(await first.await(.down(second.id)))
            first.links.dial(second.id, at: "no address")
            #expect(await first.await(.down(second.id)))
            let group = MultiThreadedEventLoopGroup.singleton
            let stranger = try await Machine(7, of: .random(), on: group)
            stranger.links.dial(second.id, at: second.address)
            #expect(await stranger.await(.down(second.id)))
            let none = try await stranger.links.session(
                to: second.id, at: second.address, on: group.next()
            ).get()
            #expect(none == nil)
            await stranger.close()
        }
    }

    @Test("for tunnels are dialled once for each event loop, and again when they are gone")
    func sessions() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let (one, two) = (group.next(), group.next())
        try await withMachines(2) { machines in
            let (first, second) = (machines[0], machines[1])
            async let early = first.links.session(to: second.id, at: second.address, on: one).get()
            let late = try await first.links.session(to: second.id, at: second.address, on: one).get()
            let other = try await first.links.session(to: second.id, at: second.address, on: two).get()
            #expect(try await early == late && late != nil && other != nil && other != late)
            #expect(try await first.links.session(to: second.id, at: "", on: one).get() == late)
            // Each machine has its own.
            let back = try await second.links.session(to: first.id, at: first.address, on: one).get()
            #expect(back != nil)
            second.links.hangUp(first.id)
            var next = late
            while next == late || next == nil {
                next = try await first.links.session(to: second.id, at: second.address, on: one).get()
            }
            let nowhere = try await first.links.session(
                to: MachineID(high: 3, low: 3), at: second.address, on: one
            ).get()
            #expect(nowhere == nil)
        }
        try await group.shutdownGracefully()
    }

    @Test("are not made any more once all are closed")
    func closed() async throws {
        try await withMachines(2) { machines in
            let (first, second) = (machines[0], machines[1])
            await first.links.close()
            first.links.dial(second.id, at: second.address)
            #expect(await first.await(.down(second.id)))
            second.links.dial(first.id, at: first.address)
            #expect(await second.await(.down(first.id)))
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let none = try await first.links.session(to: second.id, at: second.address, on: loop).get()
            #expect(none == nil)
        }
    }

    @Test("that have not said who they are give way to the next, the oldest first")
    func strangers() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        try await withMachines(2) { machines in
            let (closings, closed) = AsyncStream.makeStream(of: Int.self)
            var silent: [any Channel] = []
            for number in 0..<ClusterLinks.strangerLimit {
                let channel = try await ClientBootstrap(group: group).connect(
                    host: "127.0.0.1", port: machines[1].listener.port
                ).get()
                channel.closeFuture.whenComplete { _ in closed.yield(number) }
                silent.append(channel)
            }
            machines[0].links.dial(machines[1].id, at: machines[1].address)
            for await event in machines[0].events where event != .heard(machines[1].id) {
                #expect(event == .up(machines[1].id))
                break
            }
            for channel in silent { try await channel.closeFuture.get() }
            closed.finish()
            // Two loops accept them, which need not agree on who came first of all.
            let oldest = await closings.first { _ in true }
            #expect(try #require(oldest) < ClusterLinks.strangerLimit / 2)
        }
    }
}
