internal import Blinding
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// The tunnels of a node's connection: feeds their sessions, sees to what these have to say, lays their bytes
/// into the outer session.
final class TunnelTable {
    /// How much a tunnel's session is given in a round, in bytes; one tunnel's burst is not to keep the others, and
    /// whoever else is on the loop, waiting for as long as all of it takes.
    static let roundByteCount = 64 << 10

    /// How many calls, and other packets of JSON, all tunnels' sessions together are given in a round: what a call costs
    /// has little to do with its length.
    static let roundCallCount = 256
    /// How many of them each session is given, however many sessions there are.
    private static let leastCallCount = 4
    /// How many callers' hellos are answered in a round: each costs two key agreements, for which everybody else waits.
    private static let roundHelloCount = 4

    private let configuration: NodeConfiguration
    private let portal: PublicKey
    private let outputs: NodeOutputs
    private let outer: SecureSession
    private let context: SessionContext
    /// Who is let in.
    private(set) lazy var admission = TunnelAdmission(
        configuration: configuration, portal: portal, outer: outer, outputs: outputs, table: self)
    private var tunnels: [StreamID: NodeTunnel] = [:]
    private var streams: [SessionID: StreamID] = [:]
    /// When handshakes are given up, refusals told, and sessions ended that may not stay.
    var due = DueTimes<StreamID>()
    private var touched: Set<StreamID> = []
    /// Those that have input which waits until the peer takes more.
    var holding: Set<StreamID> = []
    /// Those that have more than a round gives, and how much more that is together, in bytes, and in bytes of memory.
    private var unfed: Set<StreamID> = []
    private(set) var unfedByteCount = 0
    private(set) var unfedCapacity = 0
    private var lastSession: UInt64 = 0
    private var ending = TunnelEnding.none

    init(
        configuration: NodeConnection.Configuration, portal: PublicKey, outer: SecureSession,
        context: SessionContext
    ) {
        self.configuration = configuration
        self.outer = outer
        self.portal = portal
        self.context = context
        outputs = context.outputs
    }

    /// How many tunnels there are.
    var count: Int { tunnels.count }

    /// Whether there is more for a tunnel than a round gives.
    var needsAnotherRound: Bool { !unfed.isEmpty }

    /// Whether input waits until the peer takes more.
    var isHoldingInput: Bool { !holding.isEmpty }

    /// Which of the connections this is that share the accounts.
    var number: ConnectionNumber { context.connection }

    /// When the first handshake is given up, the first refusal is due, or the first session has to end.
    var deadline: NIODeadline? {
        var deadlines = [due.first, admission.deadline]
        if case .awaited(let until) = ending { deadlines.append(until) }
        return deadlines.compactMap(\.self).min()
    }

    /// The session, which the caller is about to use: what it has to say is laid out by ``settle()``.
    func session(_ id: SessionID) -> PeerSession? {
        guard let stream = streams[id], let tunnel = tunnels[stream] else { return nil }
        touched.insert(stream)
        return tunnel.session
    }

    /// The tunnel of a session.
    func tunnel(of session: SessionID) -> (StreamID, NodeTunnel)? {
        guard let stream = streams[session], let tunnel = tunnels[stream] else { return nil }
        return (stream, tunnel)
    }

    /// What the tunnel's session has to say is to be laid out by ``settle()``.
    func touch(_ stream: StreamID) { touched.insert(stream) }

    func makeSessionID() -> SessionID {
        lastSession += 1
        return SessionID(rawValue: lastSession)
    }

    func makeSession(
        _ id: SessionID, _ secure: SecureSession, role: PeerSession.Role, payer: EndpointAccounts.Party
    ) -> PeerSession {
        PeerSession(
            id: id, secure: secure, role: role, payer: configuration.accounts.payer(for: payer).open(),
            in: context)
    }

    /// Adds a tunnel of ours.
    func add(
        _ secure: SecureSession, on stream: StreamID, target: String, called: PublicKey, at now: NIODeadline
    ) -> SessionID {
        let session = makeSession(makeSessionID(), secure, role: .endpoint, payer: .called(called))
        insert(
            NodeTunnel(session: session, target: target), on: stream,
            due: now + NodeConnection.handshakeTime)
        return session.id
    }

    func insert(_ tunnel: NodeTunnel, on stream: StreamID, due time: NIODeadline) {
        tunnels[stream] = tunnel
        streams[tunnel.session.id] = stream
        due[stream] = time
        touched.insert(stream)
    }

    /// Follows a change of the policy: whoever is not allowed any more goes at once, without being waited for.
    func followPolicy() {
        for (stream, tunnel) in tunnels where !stream.isOurs {
            guard case .open = tunnel.phase else { continue }
            touched.insert(stream)
            guard !tunnel.session.followPolicy() else { continue }
            if let peer = tunnel.session.secure.peer {
                outputs.append(.event(.dismissed(peer, instance: tunnel.session.instance?.number)))
            }
            tunnel.session.tellRemoved()
            bidFarewell(tunnel, on: stream)
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
    /// Each gets ``roundByteCount`` at most, unless this is the last round: the rest stays for the next one. Answers are
    /// laid out at once, and stop where `limit` bytes wait: what is left then stays until the peer takes more. Of callers
    /// who say hello those go first who came first; in the last round nobody waits for an answer to that.
    func feed(whileBelow limit: Int, at now: NIODeadline) {
        let byteCount = limit == .max ? Int.max : Self.roundByteCount
        (unfedByteCount, unfedCapacity) = (0, 0)
        let streams = touched.union(holding).union(unfed)
        let callCount =
            limit == .max
            ? Int.max : max(Self.leastCallCount, Self.roundCallCount / max(1, streams.count))
        var hellos: [(tunnel: NodeTunnel, stream: StreamID)] = []
        for stream in streams {
            guard let tunnel = tunnels[stream] else { continue }
            if tunnel.hasHello {
                hellos.append((tunnel, stream))
            } else {
                tunnel.session.allowance = callCount
                feed(tunnel, on: stream, atMost: byteCount, whileBelow: limit, at: now)
                noteUnfed(tunnel)
            }
        }
        hellos.sort { $0.tunnel.session.id.rawValue < $1.tunnel.session.id.rawValue }
        for (index, (tunnel, stream)) in hellos.enumerated() {
            if limit < .max, index < Self.roundHelloCount {
                feed(tunnel, on: stream, atMost: byteCount, whileBelow: limit, at: now)
            } else {
                unfed.insert(stream)
            }
            noteUnfed(tunnel)
        }
    }

    private func noteUnfed(_ tunnel: NodeTunnel) {
        unfedByteCount += tunnel.arrived.readableBytes
        unfedCapacity += tunnel.arrived.storageCapacity
    }

    private func feed(
        _ tunnel: NodeTunnel, on stream: StreamID, atMost byteCount: Int, whileBelow limit: Int,
        at now: NIODeadline
    ) {
        let hasArrived = tunnel.arrived.readableBytes > 0
        guard hasArrived || holding.contains(stream) || unfed.contains(stream) else { return }
        // What an earlier round has left in the session comes first, and no more with it.
        if hasArrived, !tunnel.isBehind || byteCount == .max { tunnel.feed(atMost: byteCount, at: now) }
        touched.insert(stream)
        advance(tunnel, on: stream, whileBelow: limit, at: now)
        guard tunnels[stream] != nil else { return }
        if tunnel.isBehind || tunnel.arrived.readableBytes > 0 {
            unfed.insert(stream)
        } else {
            unfed.remove(stream)
        }
    }

    /// The portal says that a tunnel has ended.
    func end(_ stream: StreamID, _ remoteError: RemoteError?, at now: NIODeadline) {
        // Everything that came before the end, and of this tunnel only: the others have their rounds. Nobody is there to
        // take the answer to a hello.
        if let tunnel = tunnels[stream], !tunnel.hasHello {
            tunnel.session.allowance = .max
            feed(tunnel, on: stream, atMost: .max, whileBelow: .max, at: now)
        }
        guard let tunnel = tunnels[stream] else { return }
        admission.keepPlace(of: tunnel)
        if case .refusing(let refusal, _) = tunnel.phase { return drop(stream, refusal.because) }
        do throws(SecureSessionError) {
            try tunnel.session.secure.inputEnded()
            drop(stream, nil)
        } catch {
            if case .refused(answered: false) = error {
                drop(stream, .targetNotThere(remoteError?.message ?? "the tunnel was ended"))
            } else if let words = remoteError?.message, words.hasPrefix(ErrorText.cutPrefix) {
                drop(stream, .cut(ErrorText.cut(words)))
            } else {
                drop(stream, SessionFailure(error))
            }
        }
    }

    /// Gives up handshakes that take too long, tells callers of refusals that are due, ends what may not stay.
    func timeReached(_ now: NIODeadline) {
        for stream in due.due(at: now) {
            due[stream] = nil
            if let tunnel = tunnels[stream] { admission.timeReached(in: tunnel, on: stream) }
        }
        admission.timeReached(now)
    }

    // MARK: The sessions inside

    /// Goes on with what waits in a session that has just been let in.
    func resume(_ stream: StreamID, at now: NIODeadline) {
        guard let tunnel = tunnels[stream] else { return }
        tunnel.session.allowance = Self.roundCallCount
        advance(tunnel, on: stream, whileBelow: NodeConnection.backlogByteCount, at: now)
        if tunnel.isBehind { unfed.insert(stream) }
    }

    private func advance(
        _ tunnel: NodeTunnel, on stream: StreamID, whileBelow limit: Int, at now: NIODeadline
    ) {
        let session = tunnel.session
        do throws(SecureSessionError) {
            while let event = try session.next(whileBelow: limit - outer.outboundByteCount, at: now) {
                guard handle(event, in: tunnel, on: stream, at: now) else { return }
            }
        } catch {
            return admission.refuse(tunnel, on: stream, SessionFailure(error), at: now)
        }
        if session.secure.outboundByteCount + outer.outboundByteCount >= limit {
            holding.insert(stream)
        } else {
            holding.remove(stream)
        }
        tunnel.isBehind = session.allowance <= 0
        admission.noteAnswer(in: tunnel, on: stream, at: now)
        flush(tunnel, on: stream)
    }

    /// Whether the tunnel goes on.
    private func handle(
        _ event: PeerSession.Event, in tunnel: NodeTunnel, on stream: StreamID, at now: NIODeadline
    ) -> Bool {
        let session = tunnel.session
        switch event {
        case .proof:
            admission.takeProof(in: tunnel, on: stream, at: now)
        case .client:
            break  // whoever calls us is looked at elsewhere
        case .established(let peer):
            admission.established(tunnel, on: stream, with: peer)
        case .dismissed:
            tunnel.isDismissed = true
        case .reply(let number, let reply):
            outputs.append(.reply(CallID(session: session.id, number: number), reply))
        case .ended:
            sayGoodbye(tunnel, on: stream)
            return false
        case .tunnel, .moveAsked:
            break  // no session inside a tunnel is a portal's
        case .lateFailure, .packet, .bytes, .streamEnded:
            break  // every stream of a session inside a tunnel is in that session's own table
        }
        return true
    }

    // MARK: Ends

    /// Says goodbye in every tunnel, which ends with its peer's.
    ///
    /// Nobody is to send into a tunnel any more when it ends: what is on its way then costs a Go portal its session.
    func leave(until time: NIODeadline) {
        ending = .awaited(until: time)
        for (stream, tunnel) in tunnels {
            guard case .open = tunnel.phase else {
                bidFarewell(tunnel, on: stream)
                continue
            }
            tunnel.session.streams.abandon()
            tunnel.session.secure.close()
            touched.insert(stream)
        }
    }

    /// Takes no more calls, and ends what this node has opened and does not use.
    func retire() {
        guard !ending.isLeaving else { return }
        ending = .retired
        touched.formUnion(tunnels.keys.filter(\.isOurs))
    }

    /// Whether calls are taken by another connection in the place of this one.
    var isRetired: Bool { ending.isRetired }
    /// Whether that is so, and nothing is left on it.
    var isUnused: Bool { isRetired && tunnels.isEmpty }

    /// Whether the connection is about to end, so that no tunnel is begun and the ends of all are awaited.
    var isLeaving: Bool { ending.isLeaving }

    /// Whether the connection may say goodbye: there is no tunnel any more, and the portal has ended all of which the
    /// end was awaited, or they have had the time for it.
    func haveLeft(at now: NIODeadline) -> Bool {
        guard case .awaited(let until) = ending else { return false }
        return tunnels.isEmpty && outer.muxrpc.awaitedEndCount == 0 || now >= until
    }

    /// Says goodbye in every tunnel, and ends it.
    func close() {
        ending = .over
        for (stream, tunnel) in tunnels {
            tunnel.session.secure.finish()
            sayGoodbye(tunnel, on: stream)
        }
    }

    /// The connection is gone, and every tunnel with it.
    func abandon(_ failure: SessionFailure) {
        for stream in Array(tunnels.keys) { drop(stream, failure) }
        admission.abandon()
    }

    /// Ends a session in order, without being asked to and without waiting for its peer.
    func bidFarewell(_ tunnel: NodeTunnel, on stream: StreamID) {
        tunnel.session.secure.finish()
        sayGoodbye(tunnel, on: stream)
    }

    private func sayGoodbye(_ tunnel: NodeTunnel, on stream: StreamID) {
        flush(tunnel, on: stream)
        if isLeaving { outer.muxrpc.endAwaitingAnswer(stream) } else { outer.muxrpc.end(stream) }
        drop(stream, tunnel.isDismissed ? .dismissed : nil)
    }

    func drop(_ stream: StreamID, _ failure: SessionFailure?) {
        guard let tunnel = tunnels.removeValue(forKey: stream) else { return }
        streams[tunnel.session.id] = nil
        due[stream] = nil
        holding.remove(stream)
        unfed.remove(stream)
        tunnel.arrived = ByteBuffer()
        tunnel.session.streams.abandon()
        outputs.append(.ended(tunnel.session.id, failure))
    }

    /// Lays what the sessions have to say into the outer one; once after every input.
    func settle() {
        while let stream = touched.popFirst() {
            guard let tunnel = tunnels[stream] else { continue }
            if case .refusing = tunnel.phase { continue }
            tunnel.session.streams.settle()
            tunnel.seat?.activity.note(streamCount: tunnel.session.streams.count)
            if tunnel.session.endsNext || isRetired && stream.isOurs && tunnel.isIdle {
                tunnel.session.secure.close()
            }
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
