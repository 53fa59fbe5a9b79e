internal import Blinding
internal import Connection
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// What a node and its portal ask of each other, what stands in tunnels aside.
final class OuterCalls {
    private let configuration: NodeConnection.Configuration
    private let portal: PublicKey
    private let secure: SecureSession
    private let tunnels: TunnelTable
    private let outputs: NodeOutputs
    /// The latest `tunnel.announce`, whose end may come long after its answer.
    private var announceCall: RequestNumber?
    private var tokens = AnnouncedTokens()
    /// Whether the portal has asked for a move: its owner learns it once, however often it is asked.
    private var wasAskedToMove = false

    init(
        configuration: NodeConnection.Configuration, portal: PublicKey, secure: SecureSession,
        tunnels: TunnelTable, outputs: NodeOutputs
    ) {
        self.configuration = configuration
        self.portal = portal
        self.secure = secure
        self.tunnels = tunnels
        self.outputs = outputs
    }

    /// Sees to what comes from the portal while the connection stands; its beginning and end are the connection's.
    func handle(_ event: PeerSession.Event, at now: NIODeadline) {
        switch event {
        case .tunnel(let connect, let stream): answer(connect, on: stream, at: now)
        case .reply(let number, let reply): receive(reply, to: number)
        case .lateFailure(let number, let error): receive(lateFailure: error, of: number)
        case .packet(let stream): tunnels.openPacket(on: stream)
        case .bytes(let stream, let bytes): tunnels.receive(bytes, on: stream)
        case .streamEnded(let stream, let error): tunnels.end(stream, error, at: now)
        case .moveAsked: noteMove()
        case .client, .proof: secure.refuse()  // we dialled: nobody proves anything to us here
        case .dismissed, .established, .ended: break  // only whom we have called can send us away
        }
    }

    // MARK: What we ask

    func announce() { announceCall = try? secure.muxrpc.call(Method.announce.name, []) }

    /// Opens a tunnel to the target behind this portal, and begins a session inside.
    func openTunnel(
        to target: PublicKey, token: PairToken?, by shownKey: PublicKey?, instance: Int,
        as identity: Identity?, at now: NIODeadline
    ) throws(SessionFailure) -> SessionID {
        let inner: SecureSession
        do {
            inner = try SecureSession(
                dialling: target, as: identity ?? configuration.identity, network: configuration.network,
                manifest: NodeMethods.manifest(for: .endpoint), framing: .tunnelled)
        } catch {
            throw .wrongPeer
        }
        let text = token?.target ?? target.id
        var fields = JSONObject()
        fields["portal"] = .string(portal.id)
        fields["target"] = .string(text)
        fields["instance"] = .integer(Int64(instance))
        if token != nil, let shownKey { fields["by"] = .string(shownKey.id) }
        do {
            let stream = try secure.muxrpc.open(.duplex, Method.connect.name, [.object(fields)])
            return tunnels.add(inner, on: stream, target: text, called: target, at: now)
        } catch {
            throw .lost
        }
    }

    /// Announces tokens, or has them wait for the answer to the announcement before.
    func announce(hidden entries: [TokenEntry]) throws(MuxRPCError) -> AnnouncementID {
        let announcement = tokens.makeID()
        if tokens.isOutstanding {
            tokens.wait(announcement, entries)
        } else {
            try ask(announcement, entries)
        }
        return announcement
    }

    private func ask(_ announcement: AnnouncementID, _ entries: [TokenEntry]) throws(MuxRPCError) {
        let texts = entries.map { JSONValue.string($0.token.base64) }
        let argument: JSONValue = ["hidden": true, "tokens": .array(texts)]
        let call = try secure.muxrpc.call(Method.announce.name, [argument])
        announceCall = call
        tokens.ask(announcement, entries, by: call)
    }

    private func receive(_ reply: Reply, to number: RequestNumber) {
        // A portal that knows no tokens may answer `false`, and list the key that it sees.
        if let announcement = tokens.answered(number, isTaken: reply == .value(.bool(true))) {
            outputs.append(.tokensAnnounced(announcement, Self.refusal(in: reply)))
            announceWaiting()
        } else if number == announceCall {
            if case .failure(let error) = reply {
                outputs.append(.announcementEnded(error))
            } else {
                outputs.append(.announced)
            }
        } else {
            outputs.append(.reply(CallID(session: .outer, number: number), reply))
        }
    }

    private func receive(lateFailure error: RemoteError, of number: RequestNumber) {
        if number == announceCall { outputs.append(.announcementEnded(error)) }
    }

    private func announceWaiting() {
        guard let (announcement, entries) = tokens.takeWaiting() else { return }
        do {
            try ask(announcement, entries)
        } catch {
            outputs.append(.tokensAnnounced(announcement, RemoteError("the announcement cannot be sent")))
        }
    }

    /// What is wrong with the answer to an announcement of tokens.
    private static func refusal(in reply: Reply) -> RemoteError? {
        switch reply {
        case .value(.bool(true)): nil
        case .failure(let error): error
        case .value, .string, .binary: RemoteError("the portal does not know hidden announcements")
        }
    }

    // MARK: What the portal asks

    private func noteMove() {
        guard !wasAskedToMove else { return }
        wasAskedToMove = true
        outputs.append(.moveAsked)
    }

    /// Answers `tunnel.connect`.
    private func answer(_ connect: TunnelRequest, on stream: StreamID, at now: NIODeadline) {
        // Who calls finds the connection that stands in the place of this one.
        guard !tunnels.isRetired else { return refuse(connect, on: stream) }
        switch configuration.reception {
        case .none:
            refuse(connect, on: stream)
        case .open:
            guard connect.isMeant(for: configuration.identity.publicKey, through: portal) else {
                return refuse(connect, on: stream)
            }
            admit(connect, on: stream, by: nil, at: now)
        case .hidden:
            // One way for all that was not announced, which knows no key of ours: nobody learns who is here.
            guard let token = connect.token(through: portal), let entry = tokens.entry(for: token) else {
                return refuse(connect, on: stream)
            }
            admit(connect, on: stream, by: entry, at: now)
        }
    }

    private func refuse(_ connect: TunnelRequest, on stream: StreamID) {
        secure.muxrpc.fail(stream, message: ErrorText.couldNotConnect(to: connect.targetText))
    }

    private func admit(
        _ connect: TunnelRequest, on stream: StreamID, by entry: TokenEntry?, at now: NIODeadline
    ) {
        guard !tunnels.isLeaving, tunnels.admission.answer(connect, on: stream, entry: entry, at: now) else {
            secure.muxrpc.fail(stream, message: ErrorText.busy)
            return
        }
    }
}
