import MuxRPC
import NIOCore
import SecretHandshake
import SecureSession
import Sodium
import Testing
import Transport
import Tunnel

/// A portal made by hand in front of one node, with scripted sessions at the far end of its tunnels.
final class HandmadePortal {
    let identity: Identity
    let outer: SessionPeer
    let node: NodeConnection
    private(set) var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private(set) var outputs: [NodeOutput] = []
    /// The sessions inside tunnels, and how many bytes of them the node's portal sends in one packet.
    private var inner: [StreamID: SessionPeer] = [:]
    /// Whether what the node writes is taken.
    var isReading = true
    let network = NetworkIdentifier(FixedBytes<32>())

    convenience init(node identity: Identity, policy: EndpointPolicy?) throws {
        try self.init(node: identity, reception: policy.map { .open($0) } ?? .none)
    }

    /// A portal in front of a node that shows it `shown`, or its own key.
    init(
        node identity: Identity, showing shown: Identity? = nil, reception: NodeConnection.Reception
    ) throws {
        self.identity = try .random()
        outer = SessionPeer(answeringAs: self.identity, network: network)
        let configuration = NodeConnection.Configuration(
            identity: identity, network: network, reception: reception, wallClock: { 7 })
        node = try NodeConnection(
            to: self.identity.publicKey, showing: shown ?? identity, configuration: configuration, at: now)
        run()
    }

    /// Opens a tunnel to the node and a friend's session inside it.
    func friend(_ argument: JSONValue, of node: PublicKey) throws -> (SessionPeer, StreamID) {
        let stream = try outer.open(.duplex, "tunnel.connect", [argument])
        let peer = try SessionPeer(.random(), to: node, network: network, framing: .tunnelled)
        inner[stream] = peer
        run()
        return (peer, stream)
    }

    func run() {
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            for (stream, peer) in inner {
                while let batch = peer.session.nextBatch() { outer.session.send(batch, on: stream) }
            }
            while let bytes = outer.nextOutbound() { unread.writeImmutableBuffer(bytes) }
            while node.wantsInput, let piece = unread.readSlice(length: min(65_536, unread.readableBytes)),
                piece.readableBytes > 0
            {
                node.receive(piece, at: now)
                hasMoved = true
            }
            while let output = node.nextOutput() { outputs.append(output) }
            while isReading, let bytes = node.nextWrite(at: now) {
                outer.receive(bytes)
                hasMoved = true
            }
            deliver()
        }
    }

    /// What the node was not given yet.
    private(set) var unread = ByteBuffer()

    /// Moves the clock to every deadline in between.
    func wait(_ amount: TimeAmount) {
        let end = now + amount
        while let deadline = node.deadline, deadline <= end {
            now = max(now, deadline)
            node.timeReached(now)
            run()
        }
        now = end
    }

    private func deliver() {
        for (stream, peer) in inner {
            guard let bytes = outer.takeBytes(on: stream) else { continue }
            peer.receive(bytes)
        }
    }

    /// How the node's sessions ended.
    var ended: [SessionFailure?] {
        outputs.compactMap { output -> SessionFailure?? in
            if case .ended(_, let failure) = output { .some(failure) } else { nil }
        }
    }

    /// The streams that the friend asked a service on.
    var asked: [StreamKey] {
        outputs.compactMap { if case .connectService(let key, _, _) = $0 { key } else { nil } }
    }

    /// What happened on streams with credit.
    var events: [ServiceEvent] {
        outputs.compactMap { if case .service(_, let event) = $0 { event } else { nil } }
    }

    /// How streams with credit ended.
    var closes: [StreamFailure?] {
        events.compactMap { event -> StreamFailure?? in
            if case .closed(let failure, _, _) = event { .some(failure) } else { nil }
        }
    }
}
