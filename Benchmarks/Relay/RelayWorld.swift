internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import PeerSupport
import PortalCore
internal import SecretHandshake
internal import Synchronization
internal import Transport
internal import TypedSodium

/// A portal with a client and an endpoint, joined by memory instead of sockets, and a tunnel between the two.
final class RelayWorld {
    /// The tunnel could not be had.
    struct NoTunnel: Error {}

    private let cut: InnerFrameCut
    private let portal: Portal
    private let client: Seat
    private let endpoint: Seat
    /// The number under which the client sends.
    private static let clientNumber: Int32 = 1
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    /// What the next read will bring.
    private var ready = ByteBuffer()
    private let filling = ByteBuffer(bytes: Random.bytes(1 << 20))
    private var fillingOffset = 0

    /// One connection of the portal, its mailbox, and the peer at its other end.
    private final class Seat {
        let mailbox = QueueMailbox()
        let connection: PortalConnection
        let peer: RawPeer

        init(_ portal: Portal, network: NetworkIdentifier, at now: NIODeadline) throws {
            connection = PortalConnection(portal: portal, mailbox: mailbox, at: now)
            peer = try RawPeer(.random(), to: portal.identity.publicKey, network: network)
        }
    }

    init(_ cut: InnerFrameCut) throws {
        self.cut = cut
        let network = NetworkIdentifier.scuttlebutt
        portal = Portal(
            identity: try .random(), network: network, settings: PortalSettings(name: "portal") { 0 })
        client = try Seat(portal, network: network, at: now)
        endpoint = try Seat(portal, network: network, at: now)
        try openTunnel()
    }

    // MARK: Setting up

    private func openTunnel() throws {
        try settle()
        endpoint.peer.call(
            #"{"name":["tunnel","announce"],"args":[],"type":"async"}"#, isStream: false, number: 1)
        try settle()
        let argument = #"{"target":"\#(endpoint.peer.key.id)","portal":"\#(portal.identity.publicKey.id)"}"#
        client.peer.call(
            #"{"name":["tunnel","connect"],"args":[\#(argument)],"type":"duplex"}"#, isStream: true,
            number: Self.clientNumber)
        try settle()
        guard endpoint.peer.takePackets().contains(where: { $0.header.isStream }) else { throw NoTunnel() }
    }

    /// Carries bytes and messages both ways until nothing moves.
    private func settle() throws {
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            for seat in [client, endpoint] {
                if let bytes = seat.peer.nextOutbound() {
                    seat.connection.receive(bytes, at: now)
                    hasMoved = true
                }
                deliverMessages()
                while let written = seat.connection.nextWrite(at: now) {
                    try seat.peer.take(written)
                    hasMoved = true
                }
            }
        }
    }

    private func deliverMessages() {
        for seat in [client, endpoint] { post(seat.connection) }
        for seat in [client, endpoint] {
            while let message = seat.mailbox.next() { seat.connection.deliver(message, at: now) }
        }
    }

    private func post(_ connection: PortalConnection) {
        while let output = connection.nextOutput() {
            if case .post(let message, let mailbox) = output { mailbox.post(message) }
        }
    }

    // MARK: Work

    /// Lets the client seal what the next read will bring.
    func makeReady(frameCount: Int) {
        client.peer.send(boxes: cut.boxes(frameCount: frameCount, number: Self.clientNumber, filling: fill))
        ready = client.peer.nextOutbound() ?? ByteBuffer()
    }

    /// What a portal does with one read, from the bytes of one socket to those of the other.
    ///
    /// - Returns: how many buffers it would have written.
    func relay() -> Int {
        var bytes = ByteBuffer()
        swap(&bytes, &ready)
        client.connection.receive(bytes, at: now)
        post(client.connection)
        while let message = endpoint.mailbox.next() { endpoint.connection.deliver(message, at: now) }
        var writeCount = 0
        while let written = endpoint.connection.nextWrite(at: now) {
            blackHole(written.readableBytes)
            writeCount += 1
        }
        post(endpoint.connection)
        while let message = client.mailbox.next() { client.connection.deliver(message, at: now) }
        return writeCount
    }

    /// Whether the endpoint gets the very bytes that the client has sent.
    func carriesIntact(frameCount: Int) throws -> Bool {
        var sent = GenericHash()
        var received = GenericHash()
        for _ in 0..<frameCount {
            let boxes = cut.boxes(frameCount: 1, number: Self.clientNumber) { byteCount in
                let bytes = fill(byteCount)
                sent.update(Array(bytes.readableBytesView).span)
                return bytes
            }
            client.peer.send(boxes: boxes)
            try settle()
            for packet in endpoint.peer.takePackets() {
                received.update(Array(packet.body.readableBytesView).span)
            }
        }
        return sent.finalize() == received.finalize()
    }

    private func fill(_ byteCount: Int) -> ByteBuffer {
        if fillingOffset + byteCount > filling.readableBytes { fillingOffset = 0 }
        defer { fillingOffset += byteCount }
        return filling.getSlice(at: fillingOffset, length: byteCount) ?? ByteBuffer()
    }
}

/// Messages that wait for a connection, as a channel's event loop would hold them; its memory stays.
private final class QueueMailbox: RelayMailbox {
    private let messages = Mutex(CircularBuffer<RelayMessage>(initialCapacity: 64))

    func post(_ message: RelayMessage) { messages.withLock { $0.append(message) } }

    func next() -> RelayMessage? { messages.withLock { $0.popFirst() } }
}
