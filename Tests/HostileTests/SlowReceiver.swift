import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import PortalCore
import SecretHandshake
import Testing
import Transport
import TypedSodium

extension Hostile {
    /// A friend has an endpoint without credit send to it and does not read, on the connection that others share.
    @Suite("A receiver that does not read")
    struct SlowReceiver {
        private static let network = NetworkIdentifier(FixedBytes<32>())

        @Test("keeps the endpoint's other callers waiting for a quarter of a second", .timeLimit(.minutes(1)))
        func sharedEndpoint() async throws {
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 3)
            let portal = Portal(
                identity: try .drawn(), network: Self.network, settings: PortalSettings(name: "p") { 0 })
            let server = try await PortalServer.start(
                portal, over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: group)
            let target = try Identity.drawn()
            let endpoint = try await connect(as: target, to: portal, server, on: group.next())
            try await endpoint.act { try $0.announce() }
            let honest = try await connect(as: .drawn(), to: portal, server, on: group.next())
            let stream = try await honest.act { try $0.open(to: target.publicKey) }
            let quiet = try await roundTrips(of: honest, on: stream, for: .milliseconds(500))

            let hostile = try await connect(as: .drawn(), to: portal, server, on: group.next())
            try await hostile.act { node in
                let stream = try node.open(to: target.publicKey)
                node.stopReading()
                node.send("flood", on: stream)
            }
            let flooded = try await roundTrips(of: honest, on: stream, for: .milliseconds(1500))
            let allowed = TimeAmount.milliseconds(250) + (quiet.last ?? .zero)
            let p99 = flooded[flooded.count * 99 / 100]
            #expect(p99 <= allowed, "\(flooded.count) round trips")
            // One wait is a quarter of a second, and what the machine adds.
            #expect(flooded.last.map { $0 <= .milliseconds(1500) } == true)
            #expect(portal.metrics.tunnelCount == 1, "the hostile one's is cut")
            #expect(portal.metrics.queuedByteCount <= 1 << 20)
            for seat in [endpoint, honest, hostile] { try await seat.act { $0.close() } }
            await server.close()
            try await group.shutdownGracefully()
        }

        private func connect(
            as identity: Identity, to portal: Portal, _ server: PortalServer, on loop: any EventLoop
        ) async throws -> Seat {
            Seat(
                node: try await RawNode.connect(
                    to: portal.identity.publicKey, port: server.port, as: identity, network: Self.network,
                    on: loop), loop: loop)
        }

        /// How long echoes take that follow each other, so many that a percentile means something, the longest last.
        private func roundTrips(
            of seat: Seat, on stream: StreamID, for time: TimeAmount
        ) async throws -> [TimeAmount] {
            let end = NIODeadline.now() + time
            var times: [TimeAmount] = []
            while .now() < end || times.count < 400 {
                times.append(
                    try await seat.loop.flatSubmit { seat.node.value.echo("hello", on: stream) }.get())
            }
            return times.sorted()
        }
    }
}

/// A node and its loop.
struct Seat: Sendable {
    let node: NIOLoopBound<RawNode>
    let loop: any EventLoop

    func act<Result: Sendable>(_ body: @escaping @Sendable (RawNode) throws -> Result) async throws -> Result
    {
        try await loop.submit { try body(node.value) }.get()
    }
}
