internal import Connection
internal import MuxRPC
internal import NIOCore
package import SecretHandshake
internal import SecureSession
package import TypedSodium

/// What a machine needs to have links: its own name and keys, and how it knows the others.
package struct LinkTerms: Sendable {
    /// The length of a machine's name, in bytes.
    package static let nameByteCount = 16

    /// The network identifier of links, which the machines of one portal know.
    package let network: NetworkIdentifier
    /// This machine.
    package let machine: FixedBytes<16>
    /// What it proves to be on links.
    package let identity: Identity
    /// What another machine has to prove to be; `nil` where no such machine can be.
    package let key: @Sendable (FixedBytes<16>) -> PublicKey?

    /// The terms of a machine.
    package init(
        network: NetworkIdentifier, machine: FixedBytes<16>, identity: Identity,
        key: @escaping @Sendable (FixedBytes<16>) -> PublicKey?
    ) {
        self.network = network
        self.machine = machine
        self.identity = identity
        self.key = key
    }
}

/// What a link is for.
package enum LinkUse: String, Sendable {
    /// Sealed messages, one link for a pair of machines.
    case control
    /// Tunnels, which the machine opens that has dialled.
    case tunnels
}

/// What every link has, whatever it is for: the handshake under the cluster's keys, `cluster.hello`, and whether the
/// other machine is heard.
///
/// Nothing is served before each knows which machine the other is. A machine that is silent is asked every second; what
/// it sends, whatever that is, says that it is there.
final class LinkSession {
    enum Event {
        /// Both machines know each other.
        case introduced
        case packet(StreamID, byteCount: Int)
        case request(Request)
        case data(StreamID, BodyType, ByteBuffer)
        case streamEnded(StreamID, message: String?)
        /// The other side sends nothing more.
        case over
    }

    /// Why a link is broken off beside what its session finds.
    enum Violation: Error {
        /// It is not the machine that it says it is, or not the one that was dialled.
        case impostor
        case outOfTurn
    }

    /// How long handshake and hello may take.
    static let handshakeTime = TimeAmount.seconds(3)
    /// How long the other machine may be silent before it is asked, and between two questions.
    static let askTime = TimeAmount.seconds(1)
    /// How long it may be silent before it gets no more tunnels, and before the link is over.
    static let (quietTime, silenceTime) = (TimeAmount.seconds(3), TimeAmount.seconds(8))
    /// The longest argument of a call on a link, in bytes of JSON: an endpoint's, and who calls.
    static let argumentByteCount = PortalTunnels.argumentByteLimit + (1 << 10)

    let session: SecureSession
    let isDialler: Bool
    /// What the link is for; known once both are introduced.
    private(set) var use: LinkUse?
    /// The other machine, once it has proved to be that.
    private(set) var machine: FixedBytes<16>?
    private(set) var lifecycle: ConnectionLifecycle<NIODeadline>
    private let terms: LinkTerms
    private var hello: RequestNumber?
    private var heardAt: NIODeadline
    private var askedAt: NIODeadline

    /// A link to a machine that is dialled.
    ///
    /// - Throws: `SecureSessionError` for a key that cannot be anybody's.
    init(
        dialling machine: FixedBytes<16>, key: PublicKey, for use: LinkUse, _ terms: LinkTerms,
        at now: NIODeadline
    ) throws(SecureSessionError) {
        session = try SecureSession(
            dialling: key, as: terms.identity, network: terms.network, manifest: Self.diallerManifest)
        self.terms = terms
        (self.machine, self.use, isDialler) = (machine, use, true)
        lifecycle = .handshake(now + Self.handshakeTime)
        (heardAt, askedAt) = (now, now)
    }

    /// A link that was accepted, from whichever machine.
    init(accepting terms: LinkTerms, at now: NIODeadline) {
        session = SecureSession(
            answeringAs: terms.identity, network: terms.network, manifest: Self.acceptorManifest)
        self.terms = terms
        isDialler = false
        lifecycle = .handshake(now + Self.handshakeTime)
        (heardAt, askedAt) = (now, now)
    }

    private static let diallerManifest = Manifest([(name: Method.linkPing.rawValue, kind: .async)])
        .limitingBodies(to: 1 << 10)

    private static let acceptorManifest = Manifest([
        (name: Method.linkHello.rawValue, kind: .async), (name: Method.linkPing.rawValue, kind: .async),
        (name: Method.linkControl.rawValue, kind: .duplex),
        (name: Method.linkConnect.rawValue, kind: .duplex),
        (name: Method.linkFlow.rawValue, kind: .duplex),
    ]).limitingBodies(to: 1 << 10, [Method.linkConnect.rawValue: argumentByteCount])

    // MARK: State

    var isOpen: Bool { lifecycle.isOpen }

    /// Whether nothing was heard for so long that no more is begun here.
    func isQuiet(at now: NIODeadline) -> Bool { now - heardAt >= Self.quietTime }

    /// When ``timeReached(_:)`` is due next.
    var deadline: NIODeadline? {
        guard lifecycle.isOpen else { return lifecycle.deadline }
        let ask = max(heardAt, askedAt) + Self.askTime
        return [ask, heardAt + Self.quietTime, heardAt + Self.silenceTime].filter { $0 > checkedAt }.min()
    }
    /// When the clock was looked at last.
    private var checkedAt = NIODeadline.uptimeNanoseconds(0)

    // MARK: What comes

    /// Bytes arrived.
    func receive(_ bytes: ByteBuffer, at now: NIODeadline) {
        heardAt = now
        session.receive(bytes)
    }

    /// The next thing that is not answered here.
    func next(at now: NIODeadline) throws -> Event? {
        while let event = try session.next() {
            if let event = try interpret(event, at: now) { return event }
        }
        return nil
    }

    private func interpret(_ event: SecureSession.Event, at now: NIODeadline) throws -> Event? {
        switch event {
        // Who knows the network has the portal's key; which machine it is shows its hello.
        case .client: try session.accept()
        case .established: try sayHello()
        case .proof: break
        case .packet(let stream, let byteCount): return .packet(stream, byteCount: byteCount)
        case .session(.request(let request)): return try answer(request, at: now)
        case .session(.reply(let call, let reply)):
            if call == hello { return try helloAnswered(reply, at: now) }
        case .session(.data(let stream, let type, let body)): return .data(stream, type, body)
        case .session(.ended(let stream, let error)):
            return .streamEnded(stream, message: error.map(\.message))
        case .session(.lateFailure): break
        case .session(.goodbye), .ended: return .over
        }
        return nil
    }

    private func answer(_ request: Request, at now: NIODeadline) throws -> Event? {
        switch Method(name: request.name) {
        case .linkPing?:
            try? session.muxrpc.reply(to: request.number, with: true)
            return nil
        case .linkHello?:
            guard machine == nil, let said = request.arguments.first, let name = Self.name(in: said),
                let use = said["use"]?.string.flatMap(LinkUse.init(rawValue:)),
                let peer = session.peer, terms.key(name) == peer
            else { throw Violation.impostor }
            try session.muxrpc.reply(to: request.number, with: introduction)
            (machine, self.use) = (name, use)
            lifecycle.open(at: now)
            return .introduced
        default:
            guard isOpen, !isDialler else { throw Violation.outOfTurn }
            return .request(request)
        }
    }

    // MARK: Hello

    private func sayHello() throws {
        var said = introduction
        if let use { said["use"] = .string(use.rawValue) }
        hello = try session.muxrpc.call(Method.linkHello.name, [said])
    }

    private func helloAnswered(_ reply: Reply, at now: NIODeadline) throws -> Event? {
        guard case .value(let value) = reply, let machine, Self.name(in: value) == machine else {
            throw Violation.impostor
        }
        hello = nil
        lifecycle.open(at: now)
        return .introduced
    }

    private var introduction: JSONValue {
        ["machine": .string(Self.text(of: terms.machine)), "features": []]
    }

    private static func text(of machine: FixedBytes<16>) -> String {
        String(decoding: TextEncoding.base64URL.encode(machine.array.span), as: UTF8.self)
    }

    private static func name(in value: JSONValue) -> FixedBytes<16>? {
        guard let text = value["machine"]?.string, text.utf8.count <= 2 * LinkTerms.nameByteCount,
            let bytes = try? TextEncoding.base64URL.decode(Array(text.utf8).span)
        else { return nil }
        return try? FixedBytes(bytes)
    }

    // MARK: Time

    /// The clock went on: asks a machine that is silent; whether it has been for too long.
    func timeReached(_ now: NIODeadline) -> Bool {
        checkedAt = now
        guard lifecycle.isOpen else { return lifecycle.deadline.map { $0 <= now } ?? false }
        if now - max(heardAt, askedAt) >= Self.askTime {
            askedAt = now
            // Where too much is open the question cannot be put; the silence is measured all the same.
            _ = try? session.muxrpc.call(Method.linkPing.name, [])
        }
        return now - heardAt >= Self.silenceTime
    }

    // MARK: The end

    func close(until time: NIODeadline) {
        session.close()
        lifecycle.close(until: time)
    }

    func finish(until time: NIODeadline) {
        session.finish()
        lifecycle.finish(until: time)
    }

    func breakOff() { lifecycle.breakOff() }
}
