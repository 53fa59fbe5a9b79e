internal import Blinding
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecretHandshake
internal import SecureSession
internal import TypedSodium

/// Who is let in, and how others are turned away.
///
/// It has the policy and the places of those who have left; the tunnels themselves are the table's.
final class TunnelAdmission {
    /// How long a caller may take to say hello in its tunnel.
    private static let helloTime = TimeAmount.seconds(2)
    /// How long it may take to prove who it is, from the answer to its hello.
    private static let proofTime = TimeAmount.seconds(4)
    /// How long a session of an invite's holder stands at the most, whatever it calls.
    private static let inviteTime = TimeAmount.seconds(10)
    /// How long somebody is told for whom there is no place, until its first call is answered.
    private static let turningAwayTime = TimeAmount.seconds(2)

    /// Who is let in; nobody at a node that only dials.
    let policy: CurrentPolicy?
    private let configuration: NodeConfiguration
    private let portal: PublicKey
    private let outer: SecureSession
    private let outputs: NodeOutputs
    private unowned let table: TunnelTable
    private var left = LeftPlaces()

    init(
        configuration: NodeConfiguration, portal: PublicKey, outer: SecureSession, outputs: NodeOutputs,
        table: TunnelTable
    ) {
        policy = configuration.reception.policy.map {
            CurrentPolicy($0, own: configuration.identity.publicKey, portal: portal)
        }
        self.configuration = configuration
        self.portal = portal
        self.outer = outer
        self.outputs = outputs
        self.table = table
    }

    private var accounts: EndpointAccounts { configuration.accounts }
    private var number: ConnectionNumber { table.number }

    // MARK: Those who have left

    /// When the first of their places is free again.
    var deadline: NIODeadline? { left.deadline }

    func timeReached(_ now: NIODeadline) { left.timeReached(now) }

    func abandon() { left.removeAll() }

    // MARK: Handshakes

    /// Begins to answer a tunnel that the portal has opened, by the token's entry where it named one; `false` where
    /// there is no place for another handshake.
    ///
    /// Whether there is the instance that it names shows when the peer has proved who it is: one that is not there, and
    /// one that has nothing for this peer, are refused as a stranger is.
    func answer(
        _ request: TunnelRequest, on stream: StreamID, entry: TokenEntry?, at now: NIODeadline
    ) -> Bool {
        guard let policy else { return false }
        let session = table.makeSessionID()
        let causer = entry.map { HandshakeCauser.token($0.token) } ?? .portal(portal)
        let place: HandshakePlace
        switch accounts.handshakes.take(
            SessionPlace(connection: number, session: session), by: causer, at: now)
        {
        case .full:
            return false
        case .place(let taken, let former):
            place = taken
            giveWay(former)
        }
        let secure = SecureSession(
            answeringAs: configuration.identity, network: configuration.network,
            manifest: NodeMethods.manifest(for: .nobody), framing: .tunnelled, verification: .elsewhere)
        let instance = CalledInstance(request.instance, of: policy)
        let peer = table.makeSession(session, secure, role: .guest(instance), payer: .portal(portal))
        let tunnel = NodeTunnel(
            session: peer, target: request.targetText,
            caller: NodeTunnel.Caller(causer: causer, entry: entry), place: place)
        table.insert(tunnel, on: stream, due: now + Self.helloTime)
        return true
    }

    /// Waits for the next message once the first is answered.
    func noteAnswer(in tunnel: NodeTunnel, on stream: StreamID, at now: NIODeadline) {
        guard case .hello(let place) = tunnel.phase, tunnel.session.secure.handshakeMessageCount == 1 else {
            return
        }
        tunnel.phase = .answered(place)
        place.waits(since: now)
        table.due[stream] = now + Self.proofTime
    }

    /// Gives a proof out to be looked at; the connection goes on meanwhile.
    func takeProof(in tunnel: NodeTunnel, on stream: StreamID, at now: NIODeadline) {
        guard let causer = tunnel.caller?.causer, let place = tunnel.place,
            let proof = tunnel.session.secure.takeProof()
        else { return }
        place.proofCame()
        tunnel.phase = .proving(place, since: now)
        table.due[stream] = nil
        outputs.append(
            .prove(ProofWork(proof, session: tunnel.session.id, causer: causer, arrivedAt: now)))
    }

    /// A proof was looked at, or turned away.
    func proved(_ work: ProofWork, at now: NIODeadline) {
        guard let verdict = work.takeVerdict() else { return }
        guard let (stream, tunnel) = table.tunnel(of: work.session),
            case .proving(_, let since) = tunnel.phase
        else {
            // Whoever has left before counts as one whose proof is wrong, or it would be cheaper to leave.
            left.looked(at: work.session, at: now)
            outputs.append(.wrongProof(work.causer))
            return
        }
        table.touch(stream)
        switch consume verdict {
        case .busy:
            tunnel.session.secure.refuse()
            refuse(tunnel, on: stream, nil, words: ErrorText.busy, proofCameAt: since, at: now)
        case .failed(let error):
            tunnel.session.secure.refuse()
            outputs.append(.wrongProof(work.causer))
            refuse(tunnel, on: stream, SessionFailure(.handshake(error)), proofCameAt: since, at: now)
        case .proved(let client):
            decide(about: client, in: tunnel, on: stream, proofCameAt: since, at: now)
        }
    }

    /// Lets in a peer that has proved its key, or does not.
    ///
    /// The tunnel is in the table before the policy is looked at, and the policy is looked at again with every call: a
    /// change of it misses no session.
    private func decide(
        about client: consuming ProvedClient, in tunnel: NodeTunnel, on stream: StreamID,
        proofCameAt since: NIODeadline, at now: NIODeadline
    ) {
        let peer = client.client
        let isOwner = tunnel.caller?.entry.map { $0.owner == peer } ?? true
        let instance = tunnel.session.instance
        guard let instance, let standing = instance.standing(of: peer), isOwner else {
            tunnel.session.secure.refuse()
            outputs.append(.event(.refused(peer, instance: instance?.number)))
            if let causer = tunnel.caller?.causer { outputs.append(.wrongProof(causer)) }
            return refuse(tunnel, on: stream, nil, proofCameAt: since, at: now)
        }
        do throws(SecureSessionError) {
            try tunnel.session.secure.resume(with: client)
            tunnel.session.offer(to: standing, of: peer, in: instance)
            try tunnel.session.secure.accept()
        } catch {
            return refuse(tunnel, on: stream, SessionFailure(error), proofCameAt: since, at: now)
        }
        let party = instance.party(of: peer)
        let payer = accounts.payer(for: party)
        let place = SessionPlace(connection: number, session: tunnel.session.id)
        switch accounts.sessions.take(place, for: party, paidBy: payer, at: now) {
        case .full:
            // Its proof was right, so it hears why, where nobody else does; its place stays taken meanwhile.
            tunnel.phase = .turnedAway(tunnel.place)
            tunnel.session.isTurnedAway = true
            table.due[stream] = now + Self.turningAwayTime
            outputs.append(.event(.turnedAway(peer)))
        case .seat(let seat, let former):
            tunnel.session.setPayer(payer.open())
            outputs.append(
                .event(
                    standing == .invite ? .invited(peer) : .accepted(peer, instance: instance.number)))
            established(tunnel, on: stream, with: peer, at: seat)
            if standing == .invite { table.due[stream] = now + Self.inviteTime }
            giveWay(former)
        }
        // What came behind the proof waits in the session.
        table.resume(stream, at: now)
    }

    /// A session stands, with a caller or with whom we have called; the place among the unfinished is free again.
    func established(
        _ tunnel: NodeTunnel, on stream: StreamID, with peer: PublicKey, at seat: SessionSeat? = nil
    ) {
        tunnel.phase = .open(seat)
        table.due[stream] = nil
        outputs.append(.established(tunnel.session.id, peer))
    }

    // MARK: Refusals

    /// Refuses a tunnel for which there will be no session; `nil` where it was our decision.
    ///
    /// One that came by a token is refused at a time that says nothing of the cause: so long after the proof, whatever
    /// was wrong with it, or when the handshake would have been given up.
    func refuse(
        _ tunnel: NodeTunnel, on stream: StreamID, _ failure: SessionFailure?, words: String? = nil,
        proofCameAt arrival: NIODeadline? = nil, at now: NIODeadline
    ) {
        switch tunnel.phase {
        case .calling, .hello, .answered, .proving: break
        case .refusing, .turnedAway, .open: return fail(tunnel, on: stream, failure)
        }
        // Not when the refusal is due: what is done then delays it, and tells a wrong key from an unwelcome one.
        if !stream.isOurs { noteFailure(failure) }
        let time: NIODeadline
        if let arrival {
            time = tunnel.refusalTime(ofProofAt: arrival, now: now)
        } else {
            time = tunnel.isByToken ? table.due[stream] ?? now : now
        }
        let refusal = NodeTunnel.Refusal(
            at: time, because: failure, words: words ?? ErrorText.couldNotConnect(to: tunnel.target),
            hasProof: arrival != nil)
        guard time > now else { return end(tunnel, on: stream, refusal) }
        table.holding.remove(stream)
        tunnel.phase = .refusing(refusal, tunnel.place)
        table.due[stream] = time
    }

    /// Ends a tunnel without a session, or whose session has failed; the far side learns that it is over and no more.
    func fail(_ tunnel: NodeTunnel, on stream: StreamID, _ failure: SessionFailure?) {
        switch tunnel.phase {
        case .hello, .answered: noteFailure(failure)
        case .calling, .proving, .refusing, .turnedAway, .open: break
        }
        let words = ErrorText.couldNotConnect(to: tunnel.target)
        outer.muxrpc.fail(stream, message: words)
        table.drop(stream, failure)
    }

    private func end(_ tunnel: NodeTunnel, on stream: StreamID, _ refusal: NodeTunnel.Refusal) {
        outer.muxrpc.fail(stream, message: refusal.words)
        table.drop(stream, refusal.because)
    }

    private func noteFailure(_ failure: SessionFailure?) {
        if let failure { outputs.append(.event(.handshakeFailed(failure))) }
    }

    /// Sees to a tunnel whose time has come.
    func timeReached(in tunnel: NodeTunnel, on stream: StreamID) {
        switch tunnel.phase {
        case .calling, .hello, .answered: fail(tunnel, on: stream, .timedOut)
        case .refusing(let refusal, _): end(tunnel, on: stream, refusal)
        case .turnedAway, .open: table.bidFarewell(tunnel, on: stream)
        case .proving: break
        }
    }

    /// Keeps the place of a caller that leaves behind its proof.
    func keepPlace(of tunnel: NodeTunnel) {
        guard let place = tunnel.place else { return }
        switch tunnel.phase {
        case .proving(_, let since):
            let time = tunnel.refusalTime(ofProofAt: since, now: since)
            left.keep(place, of: tunnel.session.id, until: time, isLookedAt: false)
        case .refusing(let refusal, _) where refusal.hasProof:
            left.keep(place, of: tunnel.session.id, until: refusal.at, isLookedAt: true)
        case .calling, .hello, .answered, .refusing, .turnedAway, .open: break
        }
    }

    // MARK: Giving way

    /// Another's session, here or on another connection, has lost its place to a newcomer.
    private func giveWay(_ place: SessionPlace?) {
        guard let place else { return }
        if place.connection == number {
            giveWay(place.session)
        } else {
            outputs.append(.giveWay(Displaced(place)))
        }
    }

    /// A session here holds more than others may, who need it.
    func giveUp(_ session: SessionID) {
        guard let (stream, tunnel) = table.tunnel(of: session) else { return }
        if let peer = tunnel.session.secure.peer {
            outputs.append(.event(.displaced(peer, for: .memory)))
        }
        fail(tunnel, on: stream, .overdrawn)
    }

    /// A session here has lost its place to a newcomer.
    func giveWay(_ session: SessionID) {
        guard let (stream, tunnel) = table.tunnel(of: session) else { return }
        switch tunnel.phase {
        case .calling, .hello, .answered, .refusing:
            noteFailure(.timedOut)
            outer.muxrpc.fail(stream, message: ErrorText.busy)
            table.drop(stream, .timedOut)
        case .open:
            if let peer = tunnel.session.secure.peer { outputs.append(.event(.gaveWay(peer))) }
            table.bidFarewell(tunnel, on: stream)
        case .proving, .turnedAway:
            break  // those have no place that another can get
        }
    }
}
