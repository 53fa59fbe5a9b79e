import CMalloc
import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("What a portal's memory costs and what it charges")
struct PortalMemoryTests {
    /// Opens tunnels to an endpoint that answers on them.
    private func open(
        _ count: Int, from clients: [SessionPeer], to endpoint: SessionPeer, in world: PortalWorld
    ) throws -> [(client: SessionPeer, stream: StreamID)] {
        var tunnels: [(SessionPeer, StreamID)] = []
        for number in 0..<count {
            let client = clients[number % clients.count]
            let stream = try client.open(.duplex, "tunnel.connect", [["target": .string(endpoint.key.id)]])
            tunnels.append((client, stream))
            guard number % clients.count == clients.count - 1 || number == count - 1 else { continue }
            world.run()
            for tunnel in endpoint.tunnels.suffix(clients.count) {
                for _ in 0..<2 { endpoint.session.send(ByteBuffer(string: "hello"), on: tunnel.stream) }
            }
            world.run()
        }
        return tunnels
    }

    @Test("is charged for packets of one byte on 4,000 tunnels to a receiver that does not read")
    func tinyPackets() throws {
        var outcomes: [(grown: Int, charged: Int)] = []
        // Other tests allocate meanwhile: one attempt in which they do not is enough.
        for _ in 0..<5 {
            let world = try PortalWorld { $0.tunnelLimit = 8192 }
            let (endpoint, slow) = try world.connect(.random(), from: "the endpoint")
            _ = try endpoint.call("tunnel.announce")
            let clients = try (0..<80).map { try world.connect(.random(), from: "source \($0)").0 }
            let tunnels = try open(4000, from: clients, to: endpoint, in: world)
            #expect(world.portal.metrics.tunnelCount == 4000)
            slow.isPeerReading = false

            let used = Int(clamping: shim_malloc_used())
            let charged = world.portal.metrics.queuedByteCount
            for _ in 0..<10 {
                for tunnel in tunnels {
                    tunnel.client.session.send(ByteBuffer(bytes: [1]), on: tunnel.stream)
                }
                world.run()
            }
            outcomes.append(
                (
                    Int(clamping: shim_malloc_used()) - used,
                    world.portal.metrics.queuedByteCount - charged
                ))
            guard let (grown, charged) = outcomes.last, Double(grown) > 1.25 * Double(charged) + 8_388_608
            else { break }
        }
        let (grown, charge) = try #require(outcomes.last)
        #expect(Double(grown) <= 1.25 * Double(charge) + 8_388_608, "\(outcomes)")
        #expect(charge <= 8 << 20, "40,000 packets of 44 bytes")
    }

    @Test("is charged for what one tunnel brings beside a large one in the same read")
    func unequalNeighbours() throws {
        let world = try PortalWorld()
        let (endpoint, slow) = try world.connect(.random(), from: "the endpoint")
        _ = try endpoint.call("tunnel.announce")
        let (client, _) = try world.connect(.random(), from: "a")
        let tunnels = try open(40, from: [client], to: endpoint, in: world)
        slow.isPeerReading = false
        // Each has once brought much, so that much is expected of each.
        for tunnel in tunnels {
            client.session.send(ByteBuffer(repeating: 1, count: 200_000), on: tunnel.stream)
            world.run()
        }
        let before = world.portal.metrics.queuedByteCount
        for _ in 0..<100 {
            for tunnel in tunnels { client.session.send(ByteBuffer(bytes: [1]), on: tunnel.stream) }
        }
        world.run()
        #expect(world.portal.metrics.queuedByteCount - before <= 40 * (16 << 10))
    }

    @Test("loses nothing and forgets nothing, whoever stalls", arguments: 0..<12 as Range<UInt64>)
    func random(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let world = try PortalWorld {
            $0.memoryByteCount = 16 << 20
            $0.tunnelQueueByteCount = 1 << 20
        }
        var seats: [Seat] = []
        var tunnels: [Line] = []
        for number in 0..<3 {
            let (endpoint, link) = try world.connect(.random(), from: "endpoint \(number)")
            _ = try endpoint.call("tunnel.announce")
            seats.append(Seat(endpoint, link, isHonest: number > 0))
        }
        for number in 0..<6 {
            let (client, link) = try world.connect(.random(), from: "client \(number)")
            seats.append(Seat(client, link, isHonest: number > 1))
        }
        for seat in seats { seat.link.readByteCount = 256 << 10 }
        for client in seats.dropFirst(3) {
            for endpoint in seats.prefix(3) {
                let near = try client.peer.open(
                    .duplex, "tunnel.connect", [["target": .string(endpoint.peer.key.id)]])
                world.run()
                let far = try #require(endpoint.peer.tunnels.last?.stream)
                tunnels.append(Line(near: client, nearStream: near, far: endpoint, farStream: far))
            }
        }
        for _ in 0..<120 {
            let line = try #require(tunnels.randomElement(using: &random))
            line.send(
                random.bytes(Int.random(in: 1...150_000, using: &random)), there: .random(using: &random))
            for seat in seats where !seat.isHonest {
                seat.link.isPeerReading = Int.random(in: 0..<20, using: &random) == 0
            }
            world.wait(.milliseconds(Int64.random(in: 0...100, using: &random)))
            #expect(world.portal.metrics.heldByteCount <= 16 << 20)
        }
        // Nobody who reads waits for those that do not for longer than that.
        world.wait(.seconds(2))
        for line in tunnels where line.near.isHonest && line.far.isHonest {
            #expect(line.hasArrived, "between those who read everything arrives")
        }
        for seat in seats { seat.link.isPeerReading = true }
        world.wait(.seconds(40))
        for line in tunnels { #expect(line.hasArrived || line.isCut) }
        for seat in seats { #expect(seat.link.connection.wantsInput && seat.link.unread.readableBytes == 0) }
        #expect(world.portal.metrics.queuedByteCount == 0)
        for seat in seats { world.drop(seat.link) }
        let metrics = world.portal.metrics
        #expect(metrics.tunnelCount == 0 && metrics.heldByteCount == 0)
    }
}

/// A peer of the random world, who reads what it gets, or not always.
private struct Seat {
    let peer: SessionPeer
    let link: Link
    let isHonest: Bool

    init(_ peer: SessionPeer, _ link: Link, isHonest: Bool) {
        self.peer = peer
        self.link = link
        self.isHonest = isHonest
    }
}

/// A tunnel of the random world, and what was sent on it.
private final class Line {
    let near: Seat
    let nearStream: StreamID
    let far: Seat
    let farStream: StreamID
    private var sentThere = ByteBuffer()
    private var sentBack = ByteBuffer()

    init(near: Seat, nearStream: StreamID, far: Seat, farStream: StreamID) {
        self.near = near
        self.nearStream = nearStream
        self.far = far
        self.farStream = farStream
    }

    var isCut: Bool { near.peer.ends[nearStream] != nil && far.peer.ends[farStream] != nil }

    var hasArrived: Bool {
        (far.peer.bytes[farStream] ?? ByteBuffer()) == sentThere
            && (near.peer.bytes[nearStream] ?? ByteBuffer()) == sentBack
    }

    func send(_ bytes: [UInt8], there: Bool) {
        guard near.peer.ends[nearStream] == nil, far.peer.ends[farStream] == nil else { return }
        if there {
            sentThere.writeBytes(bytes)
            near.peer.session.send(ByteBuffer(bytes: bytes), on: nearStream)
        } else {
            sentBack.writeBytes(bytes)
            far.peer.session.send(ByteBuffer(bytes: bytes), on: farStream)
        }
    }
}
