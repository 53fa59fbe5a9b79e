internal import Account
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// The sessions of a node's connection, the one with the portal and those inside tunnels, with what they share.
final class NodeSessions {
    let outer: PeerSession
    let tunnels: TunnelTable
    let calls: OuterCalls
    /// Which of the connections this is that share an endpoint's accounts.
    let number: ConnectionNumber
    private let outputs = NodeOutputs()
    private let waits = StreamWaits()
    private let meter: NodeMeter
    private let outlet: Outlet
    private var held: ConnectionHolding

    /// The sessions of a connection that dials the portal or peer with that key.
    init(
        to remote: PublicKey, showing outerIdentity: Identity, configuration: NodeConfiguration
    ) throws(SessionFailure) {
        let announces = configuration.reception != .none
        let secure: SecureSession
        do {
            secure = try SecureSession(
                dialling: remote, as: outerIdentity, network: configuration.network,
                manifest: NodeMethods.manifest(for: .portal(announces: announces)))
        } catch {
            throw .wrongPeer
        }
        number = configuration.accounts.makeConnectionNumber()
        meter = NodeMeter(configuration.accounts.counters)
        outlet = Outlet(secure)
        let context = SessionContext(
            connection: number, holdings: configuration.accounts.holdings, waits: waits, outputs: outputs,
            outlet: outlet, wallClock: configuration.wallClock)
        let payer = configuration.accounts.payer(for: .portal(remote)).open()
        held = ConnectionHolding(paidBy: payer, in: context)
        outer = PeerSession(
            id: .outer, secure: secure, role: .portal(announces: announces), payer: payer, in: context)
        tunnels = TunnelTable(
            configuration: configuration, portal: remote, outer: secure, context: context)
        calls = OuterCalls(
            configuration: configuration, portal: remote, secure: secure, tunnels: tunnels, outputs: outputs)
    }

    subscript(_ id: SessionID) -> PeerSession? { id == .outer ? outer : tunnels.session(id) }

    /// Lays what every session has to say into the connection; once after every input.
    func settle() {
        outer.streams.settle()
        tunnels.settle()
    }

    /// What is to be written next: what is sealed already, then what the stream sends whose turn it is.
    func nextWrite(takesTurns: Bool, at now: NIODeadline) -> ByteBuffer? {
        outlet.now = now
        var next = outer.secure.nextOutbound()
        while next == nil, takesTurns, takeTurn() { next = outer.secure.nextOutbound() }
        return next
    }

    /// Has the stream whose turn it is send; whether there was one.
    private func takeTurn() -> Bool {
        guard let (key, byteCount) = outlet.turns.next(at: outlet.now) else { return false }
        self[key.session]?.streams.takeTurn(key, sending: byteCount)
        settle()
        return true
    }

    // MARK: Outputs

    func report(_ output: NodeOutput) { outputs.append(output) }

    func nextOutput() -> NodeOutput? {
        let output = outputs.next()
        if let output { meter.note(output) }
        return output
    }

    // MARK: What the connection holds itself

    /// Whether there is no room for it, so that the peer is read no further.
    var isOverdrawn: Bool { held.isOverdrawn }

    /// Pays for what waits, once a round; for nothing any more once the connection is over.
    func pay(isEnded: Bool) {
        let waiting = outer.secure.arrivedByteCount + tunnels.unfedCapacity
        held.pay(beside: waiting, isEnded: isEnded) { [outer] in outer.streams.pay(for: $0, at: $1) }
    }

    /// Takes note of what the socket has not taken of what was written before; the rest it takes at once.
    ///
    /// A local end has just given so many bytes, where it is called for that.
    func noteUnwritten(isEnded: Bool, localByteCount: Int = 0) {
        meter.sent(localByteCount)
        let byteCount = outer.secure.heldByteCount - outer.secure.arrivedByteCount
        if held.noteUnwritten(byteCount) { pay(isEnded: isEnded) }
    }

    /// Something has come.
    func arrived(isEnded: Bool, at now: NIODeadline) {
        outlet.now = now
        noteUnwritten(isEnded: isEnded)
    }

    /// The socket has taken everything.
    func noteWritten(isEnded: Bool) {
        _ = held.noteUnwritten(0)
        if held.isHolding { pay(isEnded: isEnded) }
    }

    // MARK: Time

    /// When the first stream has waited long enough for credit, or a tunnel is due.
    var deadline: NIODeadline? {
        [tunnels.deadline, waits.deadline].compactMap(\.self).min()
    }

    func timeReached(_ now: NIODeadline) {
        tunnels.timeReached(now)
        while let key = waits.next(at: now) { self[key.session]?.streams.waitIsOver(key, at: now) }
    }

    // MARK: Ends

    /// Something has to go for somebody who has less.
    func giveWay(_ displaced: Displaced) {
        guard displaced.connection == number else { return }
        switch displaced.what {
        case .session: tunnels.admission.giveWay(displaced.session)
        case .heldSession: tunnels.admission.giveUp(displaced.session)
        case .stream(let key, let resource): self[key.session]?.streams.giveWay(key, for: resource)
        }
    }

    /// The connection is over: with it every session.
    func abandon() {
        tunnels.abandon(.lost)
        outer.streams.abandon()
    }
}

/// What a node's connection holds itself, beside its sessions: what no round has fed, and what waits for the portal.
struct ConnectionHolding {
    /// How much is held without being charged for, in bytes: parts of frames, between two reads.
    private static let freeByteCount = 16 << 10
    /// How long after there was no room it is asked for again: nobody tells when others have made some.
    static let roomTime = TimeAmount.milliseconds(100)

    private let open: OpenHolding
    private var unwrittenByteCount = 0
    /// Whether there is no room for it, so that the peer is not read until less waits.
    private(set) var isOverdrawn = false

    /// It is bounded, so it does not give way; what it holds goes on to those who pay for more.
    init(paidBy payer: Payer, in context: SessionContext) {
        open = context.holdings.openSession(
            SessionPlace(connection: context.connection, session: .outer), paidBy: payer, at: payer.bytes,
            givesWay: false)
    }

    /// Whether anything is paid for, or should be.
    var isHolding: Bool { isOverdrawn || open.holding.byteCount > 0 }

    /// Takes note of what the socket has not taken; whether that is to be paid for at once.
    mutating func noteUnwritten(_ byteCount: Int) -> Bool {
        unwrittenByteCount = byteCount
        return byteCount > Self.freeByteCount
    }

    /// Pays, once a round, for what waits beside that; for nothing at the end.
    mutating func pay(beside waitingByteCount: Int, isEnded: Bool, by pay: ServiceStreams.Paying) {
        let byteCount = unwrittenByteCount + waitingByteCount
        isOverdrawn = !pay(byteCount > Self.freeByteCount && !isEnded ? byteCount : 0, open)
    }
}
