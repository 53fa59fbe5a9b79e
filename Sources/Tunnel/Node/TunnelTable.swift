internal import Blinding
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import Sodium

/// The tunnels of a node's connection: feeds their sessions, sees to what these have to say, lays their bytes
/// into the outer session.
final class TunnelTable {
    private let configuration: NodeConnection.Configuration
    /// Who is let in; nobody at a node that only dials.
    let house: CurrentPolicy?
    let outputs: NodeOutputs
    private let outer: SecureSession
    private let held: HeldBytes
    private var tunnels: [StreamID: NodeTunnel] = [:]
    private var streams: [SessionID: StreamID] = [:]
    /// Those that have no session yet, refusals that are held back included.
    private var unfinished: Set<StreamID> = []
    private var touched: Set<StreamID> = []
    /// Those that have input which waits until the peer takes more.
    private var holding: Set<StreamID> = []
    private var lastSession: UInt64 = 0

    init(
        configuration: NodeConnection.Configuration, outer: SecureSession, held: HeldBytes,
        outputs: NodeOutputs
    ) {
        self.configuration = configuration
        house = configuration.reception.policy.map {
            CurrentPolicy($0, own: configuration.identity.publicKey)
        }
        self.outer = outer
        self.held = held
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

    /// Adds a tunnel of ours, or one that the portal opened, by the token's entry where it named one.
    @discardableResult
    func add(
        _ secure: SecureSession, on stream: StreamID, target: String, entry: TokenEntry? = nil,
        at now: NIODeadline
    ) -> SessionID {
        lastSession += 1
        let session = PeerSession(
            id: SessionID(rawValue: lastSession), secure: secure, house: stream.isOurs ? nil : house,
            held: held, outputs: outputs, wallClock: configuration.wallClock)
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
            if tunnel.arrived.readableBytes > 0 {
                tunnel.session.secure.receive(tunnel.arrived)
                tunnel.arrived = ByteBuffer()
            } else if !holding.contains(stream) {
                continue
            }
            touched.insert(stream)
            advance(tunnel, on: stream, whileBelow: limit, at: now)
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

    // MARK: Who is let in

    /// Lets in a peer that has proved its key, or does not.
    ///
    /// The tunnel is in the table before the policy is looked at, and the policy is looked at again with every call: a
    /// change of it misses no session.
    private func decide(
        about peer: PublicKey, in tunnel: NodeTunnel, on stream: StreamID, at now: NIODeadline
    ) throws(SecureSessionError) -> Bool {
        let isOwner = tunnel.entry.map { $0.owner == peer } ?? true
        guard let house, let standing = house.standing(of: peer), isOwner else {
            tunnel.session.secure.refuse()
            outputs.append(.happened(.refused(peer)))
            refuse(tunnel, on: stream, nil, at: now)
            return false
        }
        tunnel.session.offer(to: standing, in: house)
        try tunnel.session.secure.accept()
        outputs.append(.happened(standing == .invite ? .invited(peer) : .accepted(peer)))
        established(tunnel, on: stream, with: peer)
        return true
    }

    private func established(_ tunnel: NodeTunnel, on stream: StreamID, with peer: PublicKey) {
        tunnel.phase = .open
        unfinished.remove(stream)
        outputs.append(.established(tunnel.session.id, peer))
    }

    /// Refuses a tunnel for which there will be no session, or no more; `nil` where it was our decision.
    ///
    /// One that came by a token is refused at a time that says nothing of the cause: so long after the proof, whatever
    /// was wrong with it, or when the handshake would have been given up.
    private func refuse(
        _ tunnel: NodeTunnel, on stream: StreamID, _ failure: SessionFailure?, at now: NIODeadline
    ) {
        guard tunnel.entry != nil, case .handshake(let deadline) = tunnel.phase else {
            return fail(tunnel, on: stream, failure)
        }
        let hasProof = tunnel.session.secure.handshakeMessageCount >= 2
        holding.remove(stream)
        // Not when the refusal is due: what is done then delays it, and tells a wrong key from an unwelcome one.
        noteFailure(failure)
        tunnel.phase = .refusing(
            at: hasProof ? now + NodeConnection.refusalTime : deadline, because: failure)
    }

    /// Ends a tunnel without a session, or whose session has failed; the far side learns that it is over and no more.
    private func fail(_ tunnel: NodeTunnel, on stream: StreamID, _ failure: SessionFailure?) {
        if case .handshake = tunnel.phase, !stream.isOurs { noteFailure(failure) }
        outer.muxrpc.fail(stream, message: NodeErrorText.couldNotConnect(to: tunnel.target))
        drop(stream, failure)
    }

    private func noteFailure(_ failure: SessionFailure?) {
        if let failure { outputs.append(.happened(.handshakeFailed(failure))) }
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

    private func drop(_ stream: StreamID, _ failure: SessionFailure?) {
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
