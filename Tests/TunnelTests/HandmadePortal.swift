import MuxRPC
import NIOCore
import SecretHandshake
import SecureSession
import Synchronization
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// A portal made by hand in front of one node, with scripted sessions at the far end of its tunnels.
final class HandmadePortal {
    let identity: Identity
    let outer: SessionPeer
    let node: NodeConnection
    private(set) var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private(set) var outputs: [NodeOutput] = []
    /// The sessions inside tunnels, and how many bytes of them the node's portal sends in one packet.
    private var inner: [StreamID: SessionPeer] = [:]
    /// Whether proofs are looked at as they come; they wait in ``works`` otherwise.
    var looksAtOnce = true
    private(set) var works: [ProofWork] = []
    /// Whether what the node writes is taken.
    var isReading = true
    /// How much of what the portal writes the node reads at a time, in bytes.
    var readByteCount = 65_536
    let network = NetworkIdentifier(FixedBytes<32>())
    /// What has to give way here, as the endpoint's connections tell each other.
    private let displaced = DisplacedQueue()
    /// What is paid for streams, for as long as their local ends stand; those go with the stream unless this is set.
    var keepsPlaces = false
    private(set) var places: [StreamKey: ServicePlace] = [:]

    convenience init(node identity: Identity, policy: EndpointPolicy?) throws {
        try self.init(node: identity, reception: policy.map { .open($0) } ?? .none)
    }

    /// A portal in front of a node that shows it `shown`, or its own key.
    init(
        node identity: Identity, showing shown: Identity? = nil, reception: NodeConnection.Reception,
        accounts: EndpointAccounts = EndpointAccounts()
    ) throws {
        self.identity = try .random()
        outer = SessionPeer(answeringAs: self.identity, network: network)
        outer.session.muxrpc.manifest = [
            "tunnel.announce": .async, "tunnel.connect": .duplex, "tunnel.ping": .async,
        ]
        var configuration = NodeConnection.Configuration(
            identity: identity, network: network, reception: reception, wallClock: { 7 })
        configuration.accounts = accounts
        node = try NodeConnection(
            to: self.identity.publicKey, showing: shown ?? identity, configuration: configuration, at: now)
        accounts.listen(on: node.number) { [displaced] in displaced.append($0) }
        run()
    }

    /// Opens a tunnel to the node and a friend's session inside it.
    func friend(
        _ argument: JSONValue, of node: PublicKey, as friend: Identity? = nil
    ) throws -> (SessionPeer, StreamID) {
        let stream = try outer.open(.duplex, "tunnel.connect", [argument])
        let peer = try SessionPeer(friend ?? .random(), to: node, network: network, framing: .tunnelled)
        inner[stream] = peer
        run()
        return (peer, stream)
    }

    /// Opens a tunnel to the node, for a far end that is made by hand.
    func connect(_ argument: JSONValue) throws -> StreamID {
        let stream = try outer.open(.duplex, "tunnel.connect", [argument])
        run()
        return stream
    }

    /// Sends bytes into a tunnel, and gives what comes out of it then.
    func exchange(_ bytes: [UInt8], on stream: StreamID) -> [UInt8] {
        outer.session.send(ByteBuffer(bytes: bytes), on: stream)
        run()
        return outer.takeBytes(on: stream).map { Array(buffer: $0) } ?? []
    }

    /// What the node has announced, call by call.
    var announcements: [Request] { outer.requests.filter { $0.name == ["tunnel", "announce"] } }

    /// Answers a call of the node.
    func answer(_ request: Request, _ value: JSONValue) throws {
        try outer.session.muxrpc.reply(to: request.number, with: value)
        run()
    }

    /// Answers a call of the node with an error.
    func refuse(_ request: Request, _ message: String) {
        outer.session.muxrpc.fail(request.number, message: message)
        run()
    }

    func run() {
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            for (stream, peer) in inner {
                while let batch = peer.session.nextBatch() { outer.session.send(batch, on: stream) }
            }
            while let bytes = outer.nextOutbound() { unread.writeImmutableBuffer(bytes) }
            while node.wantsInput,
                let piece = unread.readSlice(length: min(readByteCount, unread.readableBytes)),
                piece.readableBytes > 0
            {
                node.receive(piece, at: now)
                hasMoved = true
            }
            while let output = node.nextOutput() {
                keep(output)
                perform(output)
            }
            while let next = displaced.next() {
                node.giveWay(next, at: now)
                hasMoved = true
            }
            while isReading, let bytes = node.nextWrite(at: now) {
                outer.receive(bytes)
                hasMoved = true
            }
            deliver()
        }
    }

    private func perform(_ output: NodeOutput) {
        switch output {
        case .prove(let work) where looksAtOnce:
            work.look()
            node.proved(work, at: now)
        case .prove(let work): works.append(work)
        case .giveWay(let displaced): node.accounts.tell(displaced)
        default: break
        }
    }

    /// Looks at the proofs that wait.
    func look() {
        for work in works {
            work.look()
            node.proved(work, at: now)
        }
        works = []
        run()
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

    /// What was logged.
    var nodeEvents: [NodeEvent] {
        outputs.compactMap { if case .event(let event) = $0 { event } else { nil } }
    }

    /// How many proofs were wrong, or those of somebody who is not let in.
    var wrongProofCount: Int {
        outputs.count { if case .wrongProof = $0 { true } else { false } }
    }

    /// What the node's owner was asked.
    var questions: [Question] {
        outputs.compactMap { if case .asked(let question) = $0 { question } else { nil } }
    }

    /// How announcements of tokens were answered; an empty text is a success.
    var tokenAnswers: [String] {
        outputs.compactMap { output -> String? in
            if case .tokensAnnounced(_, let error) = output { error?.message ?? "" } else { nil }
        }
    }

    /// The streams that the friend asked a service on.
    private(set) var asked: [StreamKey] = []

    /// Keeps everything but what is paid for a stream, which is to go with the stream.
    private func keep(_ output: NodeOutput) {
        if case .connectService(let key, _, _, let place) = output {
            asked.append(key)
            if keepsPlaces { places[key] = place }
        } else {
            outputs.append(output)
        }
    }

    /// A local end is rid of what it had, and gone.
    func release(_ key: StreamKey) { places[key] = nil }

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

/// What the connections of an endpoint tell one of them.
private final class DisplacedQueue: Sendable {
    private let queue = Mutex<[Displaced]>([])

    func append(_ displaced: Displaced) { queue.withLock { $0.append(displaced) } }

    func next() -> Displaced? { queue.withLock { $0.isEmpty ? nil : $0.removeFirst() } }
}
