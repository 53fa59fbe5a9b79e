internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import Sodium

/// The tunnels of a node's connection: feeds their sessions, sees to what these have to say, lays their bytes
/// into the outer session.
final class TunnelTable {
    private let configuration: NodeConnection.Configuration
    private let outer: SecureSession
    private let held: HeldBytes
    private let outputs: NodeOutputs
    private var tunnels: [StreamID: NodeTunnel] = [:]
    private var streams: [SessionID: StreamID] = [:]
    private var handshaking: Set<StreamID> = []
    private var touched: Set<StreamID> = []
    /// Those that have input which waits until the peer takes more.
    private var holding: Set<StreamID> = []
    private var lastSession: UInt64 = 0

    init(
        configuration: NodeConnection.Configuration, outer: SecureSession, held: HeldBytes,
        outputs: NodeOutputs
    ) {
        self.configuration = configuration
        self.outer = outer
        self.held = held
        self.outputs = outputs
    }

    /// How many tunnels there are.
    var count: Int { tunnels.count }

    /// Whether input waits until the peer takes more.
    var isHoldingInput: Bool { !holding.isEmpty }

    /// How many tunnels have no session yet.
    var unfinishedCount: Int { handshaking.count }

    /// When the first handshake is given up.
    var deadline: NIODeadline? { handshaking.compactMap { tunnels[$0]?.handshakeDeadline }.min() }

    /// The session, which the caller is about to use: what it has to say is laid out by ``settle()``.
    func session(_ id: SessionID) -> PeerSession? {
        guard let stream = streams[id], let tunnel = tunnels[stream] else { return nil }
        touched.insert(stream)
        return tunnel.session
    }

    @discardableResult
    func add(
        _ secure: SecureSession, on stream: StreamID, target: String, policy: EndpointPolicy?,
        at now: NIODeadline
    ) -> SessionID {
        lastSession += 1
        let session = PeerSession(
            id: SessionID(rawValue: lastSession), secure: secure, policy: policy, held: held,
            outputs: outputs, wallClock: configuration.wallClock)
        tunnels[stream] = NodeTunnel(
            session: session, target: target, handshakeDeadline: now + NodeConnection.handshakeTime)
        streams[session.id] = stream
        handshaking.insert(stream)
        touched.insert(stream)
        return session.id
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
    func feed(whileBelow limit: Int) {
        for stream in touched.union(holding) {
            guard let tunnel = tunnels[stream] else { continue }
            if tunnel.arrived.readableBytes > 0 {
                tunnel.session.secure.receive(tunnel.arrived)
                tunnel.arrived = ByteBuffer()
            } else if !holding.contains(stream) {
                continue
            }
            touched.insert(stream)
            advance(tunnel, on: stream, whileBelow: limit)
        }
    }

    /// The portal says that a tunnel has ended.
    func end(_ stream: StreamID, _ remoteError: RemoteError?) {
        feed(whileBelow: .max)
        guard let tunnel = tunnels[stream] else { return }
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

    /// Gives up handshakes that take too long.
    func timeReached(_ now: NIODeadline) {
        for stream in handshaking {
            guard let tunnel = tunnels[stream], let deadline = tunnel.handshakeDeadline, now >= deadline
            else {
                continue
            }
            fail(tunnel, on: stream, .timedOut)
        }
    }

    // MARK: The sessions inside

    private func advance(_ tunnel: NodeTunnel, on stream: StreamID, whileBelow limit: Int) {
        let session = tunnel.session
        do throws(SecureSessionError) {
            while let concern = try session.next(whileBelow: limit - outer.outboundByteCount) {
                guard try see(to: concern, in: tunnel, on: stream) else { return }
            }
        } catch {
            return fail(tunnel, on: stream, SessionFailure(error))
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
        to concern: PeerSession.Concern, in tunnel: NodeTunnel, on stream: StreamID
    ) throws(SecureSessionError) -> Bool {
        let session = tunnel.session
        switch concern {
        case .client(let friend):
            return try decide(about: friend, in: tunnel, on: stream)
        case .established(let peer):
            established(tunnel, on: stream, with: peer)
        case .request(let request):
            session.secure.muxrpc.fail(request.number, message: "not offered here")
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

    private func decide(
        about friend: PublicKey, in tunnel: NodeTunnel, on stream: StreamID
    ) throws(SecureSessionError) -> Bool {
        guard configuration.policy?.allows(friend) == true, friend != configuration.identity.publicKey else {
            tunnel.session.secure.refuse()
            outputs.append(.happened(.refused(friend)))
            outer.muxrpc.fail(stream, message: NodeErrorText.couldNotConnect(to: tunnel.target))
            drop(stream, nil)
            return false
        }
        try tunnel.session.secure.accept()
        outputs.append(.happened(.accepted(friend)))
        established(tunnel, on: stream, with: friend)
        return true
    }

    private func established(_ tunnel: NodeTunnel, on stream: StreamID, with peer: PublicKey) {
        tunnel.handshakeDeadline = nil
        handshaking.remove(stream)
        outputs.append(.established(tunnel.session.id, peer))
    }

    /// Ends a tunnel whose session has failed; the far side learns that it is over and no more.
    private func fail(_ tunnel: NodeTunnel, on stream: StreamID, _ failure: SessionFailure) {
        if tunnel.handshakeDeadline != nil, !stream.isOurs {
            outputs.append(.happened(.handshakeFailed(failure)))
        }
        outer.muxrpc.fail(stream, message: NodeErrorText.couldNotConnect(to: tunnel.target))
        drop(stream, failure)
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
        handshaking.remove(stream)
        holding.remove(stream)
        tunnel.session.streams.abandon()
        outputs.append(.ended(tunnel.session.id, failure))
    }

    /// Lays what the sessions have to say into the outer one; once after every input.
    func settle() {
        while let stream = touched.popFirst() {
            guard let tunnel = tunnels[stream] else { continue }
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
