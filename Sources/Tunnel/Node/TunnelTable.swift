internal import Blinding
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import Sodium

/// The tunnels of a node's connection: feeds their sessions, sees to what these have to say, lays their bytes
/// into the outer session.
final class TunnelTable {
    let configuration: NodeConnection.Configuration
    /// Who is let in; nobody at a node that only dials.
    let house: CurrentPolicy?
    let outputs: NodeOutputs
    let outer: SecureSession
    private let portal: PublicKey
    private let waits: StreamWaits
    private var tunnels: [StreamID: NodeTunnel] = [:]
    private var streams: [SessionID: StreamID] = [:]
    /// Those that have no session yet, refusals that are held back included.
    var unfinished: Set<StreamID> = []
    private var touched: Set<StreamID> = []
    /// Those that have input which waits until the peer takes more.
    var holding: Set<StreamID> = []
    private var lastSession: UInt64 = 0

    init(
        configuration: NodeConnection.Configuration, portal: PublicKey, outer: SecureSession,
        waits: StreamWaits, outputs: NodeOutputs
    ) {
        self.configuration = configuration
        house = configuration.reception.policy.map {
            CurrentPolicy($0, own: configuration.identity.publicKey)
        }
        self.outer = outer
        self.portal = portal
        self.waits = waits
        self.outputs = outputs
    }

    /// How many tunnels there are.
    var count: Int { tunnels.count }

    /// Whether input waits until the peer takes more.
    var isHoldingInput: Bool { !holding.isEmpty }

    /// When the first handshake is given up, or the first refusal is due.
    var deadline: NIODeadline? { unfinished.compactMap { tunnels[$0]?.release?.at }.min() }

    /// Whether another handshake may begin, for a token where the caller named one.
    func hasRoomForHandshake(by token: PairToken?) -> Bool {
        guard unfinished.count < NodeConnection.unfinishedHandshakeLimit else { return false }
        guard let token else { return true }
        let count = unfinished.count { tunnels[$0]?.entry?.token == token }
        return count < NodeConnection.tokenHandshakeLimit
    }

    /// The session, which the caller is about to use: what it has to say is laid out by ``settle()``.
    func session(_ id: SessionID) -> PeerSession? {
        guard let stream = streams[id], let tunnel = tunnels[stream] else { return nil }
        touched.insert(stream)
        return tunnel.session
    }

    /// Adds a tunnel of ours to `called`, or one that the portal opened, by the token's entry where it named one.
    @discardableResult
    func add(
        _ secure: SecureSession, on stream: StreamID, target: String, called: PublicKey? = nil,
        entry: TokenEntry? = nil, at now: NIODeadline
    ) -> SessionID {
        lastSession += 1
        let payer = configuration.accounts.payer(for: called.map { .called($0) } ?? .portal(portal))
        let session = PeerSession(
            id: SessionID(rawValue: lastSession), secure: secure, house: stream.isOurs ? nil : house,
            payer: payer.open(), waits: waits, outputs: outputs, wallClock: configuration.wallClock)
        tunnels[stream] = NodeTunnel(
            session: session, target: target, entry: entry,
            handshakeDeadline: now + NodeConnection.handshakeTime)
        streams[session.id] = stream
        unfinished.insert(stream)
        touched.insert(stream)
        return session.id
    }

    /// Follows a change of the policy: whoever is not allowed any more goes at once, without being waited for.
    func followPolicy() {
        for (stream, tunnel) in tunnels where !stream.isOurs {
            guard case .open = tunnel.phase else { continue }
            touched.insert(stream)
            guard !tunnel.session.followPolicy() else { continue }
            if let peer = tunnel.session.secure.peer { outputs.append(.happened(.dismissed(peer))) }
            tunnel.session.secure.finish()
            sayGoodbye(tunnel, on: stream)
        }
    }

    // MARK: From the outer session

    /// Opens the packet that the outer session has announced, for the tunnel it belongs to.
    func openPacket(on stream: StreamID) {
        guard let tunnel = tunnels[stream] else { return }
        outer.openPacket(into: &tunnel.arrived)
        touched.insert(stream)
    }

    /// Takes bytes that did not come as one packet in one box.
    func receive(_ bytes: ByteBuffer, on stream: StreamID) {
        guard let tunnel = tunnels[stream] else { return }
        tunnel.arrived.writeImmutableBuffer(bytes)
        touched.insert(stream)
    }

    /// Gives every tunnel what this round has opened for it, or an earlier one has left.
    ///
    /// Answers are laid out at once, and stop where `limit` bytes wait: the rest stays until the peer takes more.
    func feed(whileBelow limit: Int, at now: NIODeadline) {
        for stream in touched.union(holding) {
            guard let tunnel = tunnels[stream] else { continue }
            let pace = tunnel.awaitsProof ? configuration.proofPace : nil
            let start = pace?.now()
            if tunnel.arrived.readableBytes > 0 {
                tunnel.session.secure.receive(tunnel.arrived)
                tunnel.arrived = ByteBuffer()
            } else if !holding.contains(stream) {
                continue
            }
            touched.insert(stream)
            advance(tunnel, on: stream, whileBelow: limit, at: now)
            if let pace, let start, case .refusing = tunnel.phase {
                pace.hold(until: start + NodeConnection.proofTime)
            }
        }
    }

    /// The portal says that a tunnel has ended.
    func end(_ stream: StreamID, _ remoteError: RemoteError?, at now: NIODeadline) {
        feed(whileBelow: .max, at: now)
        guard let tunnel = tunnels[stream] else { return }
        if case .refusing(_, let failure) = tunnel.phase { return drop(stream, failure) }
        do throws(SecureSessionError) {
            try tunnel.session.secure.inputEnded()
            drop(stream, nil)
        } catch {
            if case .refused(answered: false) = error {
                drop(stream, .targetNotThere(remoteError?.message ?? "the tunnel was ended"))
            } else {
                drop(stream, SessionFailure(error))
            }
        }
    }

    /// Gives up handshakes that take too long, and tells callers of refusals that are due.
    func timeReached(_ now: NIODeadline) {
        for stream in unfinished {
            guard let tunnel = tunnels[stream], let release = tunnel.release, now >= release.at else {
                continue
            }
            fail(tunnel, on: stream, release.because)
        }
    }

    // MARK: The sessions inside

    private func advance(
        _ tunnel: NodeTunnel, on stream: StreamID, whileBelow limit: Int, at now: NIODeadline
    ) {
        let session = tunnel.session
        do throws(SecureSessionError) {
            while let concern = try session.next(whileBelow: limit - outer.outboundByteCount, at: now) {
                guard try see(to: concern, in: tunnel, on: stream, at: now) else { return }
            }
        } catch {
            return refuse(tunnel, on: stream, SessionFailure(error), at: now)
        }
        if session.secure.outboundByteCount + outer.outboundByteCount >= limit {
            holding.insert(stream)
        } else {
            holding.remove(stream)
        }
        flush(tunnel, on: stream)
    }

    /// Whether the tunnel goes on.
    private func see(
        to concern: PeerSession.Concern, in tunnel: NodeTunnel, on stream: StreamID, at now: NIODeadline
    ) throws(SecureSessionError) -> Bool {
        let session = tunnel.session
        switch concern {
        case .client(let peer):
            return try decide(about: peer, in: tunnel, on: stream, at: now)
        case .established(let peer):
            established(tunnel, on: stream, with: peer)
        case .request(let request):
            session.refuse(request)
        case .reply(let number, let reply):
            outputs.append(.reply(CallID(session: session.id, number: number), reply))
        case .ended:
            sayGoodbye(tunnel, on: stream)
            return false
        case .lateFailure, .packet, .bytes, .streamEnded:
            break  // every stream of a session inside a tunnel is in that session's own table
        }
        return true
    }

    // MARK: Ends

    /// Says goodbye in every tunnel, and ends it.
    func close() {
        for (stream, tunnel) in tunnels {
            tunnel.session.secure.finish()
            sayGoodbye(tunnel, on: stream)
        }
    }

    /// The connection is gone, and every tunnel with it.
    func abandon(_ failure: SessionFailure) {
        for stream in Array(tunnels.keys) { drop(stream, failure) }
    }

    private func sayGoodbye(_ tunnel: NodeTunnel, on stream: StreamID) {
        flush(tunnel, on: stream)
        outer.muxrpc.end(stream)
        drop(stream, nil)
    }

    func drop(_ stream: StreamID, _ failure: SessionFailure?) {
        guard let tunnel = tunnels.removeValue(forKey: stream) else { return }
        streams[tunnel.session.id] = nil
        unfinished.remove(stream)
        holding.remove(stream)
        tunnel.session.streams.abandon()
        outputs.append(.ended(tunnel.session.id, failure))
    }

    /// Lays what the sessions have to say into the outer one; once after every input.
    func settle() {
        while let stream = touched.popFirst() {
            guard let tunnel = tunnels[stream] else { continue }
            if case .refusing = tunnel.phase { continue }
            tunnel.session.streams.settle()
            if tunnel.session.secure.isFinished {
                sayGoodbye(tunnel, on: stream)
            } else {
                flush(tunnel, on: stream)
            }
        }
    }

    private func flush(_ tunnel: NodeTunnel, on stream: StreamID) {
        while let batch = tunnel.session.secure.nextBatch() { outer.send(batch, on: stream) }
    }
}
