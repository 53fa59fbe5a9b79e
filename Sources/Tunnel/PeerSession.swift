internal import Account
internal import Connection
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// One session of a node's connection: tells apart what its streams see to, what its methods answer, and what concerns
/// the connection.
final class PeerSession {
    /// Whom the session is with.
    enum Role {
        /// A portal, or a peer that listens itself; whether it may open tunnels to us.
        case portal(announces: Bool)
        /// An endpoint whom we have called.
        case endpoint
        /// Whoever came through a tunnel, to this instance.
        case guest(CalledInstance)
    }

    /// What the connection has to see to.
    enum Event {
        case client(PublicKey)
        case proof
        case established(PublicKey)
        /// The portal opens a tunnel.
        case tunnel(TunnelRequest, StreamID)
        /// The endpoint does not let us in any more.
        case dismissed
        /// The portal asks us to go to another of its machines.
        case moveAsked
        case reply(RequestNumber, Reply)
        case lateFailure(RequestNumber, RemoteError)
        /// A packet of a stream that is not in the table here: open it or lose it.
        case packet(StreamID)
        case bytes(StreamID, ByteBuffer)
        case streamEnded(StreamID, RemoteError?)
        case ended
    }

    /// What may be pending in a session of a friend, in bytes: JavaScript sends packets of 64 KiB in pieces.
    private static let friendPendingByteCount = 160 << 10
    /// What may be pending in a session of an invite's holder, in bytes: it calls one method.
    private static let invitePendingByteCount = 4 << 10

    let id: SessionID
    let secure: SecureSession
    let streams: PeerStreams
    let role: Role
    /// Packets that have not come whole with answers that are not read, and other input that waits.
    private var pending, input: OpenHolding
    /// How many bytes of answers are counted as sent.
    private var answeredByteCount = 0
    /// Whether there is no place for this peer, of which it is told in answer to every call.
    var isTurnedAway = false
    /// How much more JSON is seen to before others have their turn: calls, and what they say on streams.
    var allowance = Int.max
    /// Whether the session has done what it was for: goodbye follows what is being said.
    private(set) var endsNext = false
    private let context: SessionContext
    private var questions = SessionQuestions()

    /// A session whose streams somebody pays for: whom we have called, or the portal until the peer has proved who it is.
    init(id: SessionID, secure: SecureSession, role: Role, payer: Payer, in context: SessionContext) {
        self.id = id
        self.secure = secure
        self.role = role
        self.context = context
        streams = PeerStreams(session: id, secure: secure, payer: payer, in: context)
        let place = SessionPlace(connection: context.connection, session: id)
        let holdings = context.holdings
        pending = holdings.openSession(place, paidBy: payer, at: payer.pending, givesWay: false)
        input = holdings.openSession(place, paidBy: payer, at: payer.bytes, givesWay: false)
    }

    /// The peer has proved who it is, and pays from now on; what it holds may have to give way to others.
    func setPayer(_ payer: Payer) {
        streams.setPayer(payer)
        let place = SessionPlace(connection: context.connection, session: id)
        let holdings = context.holdings
        pending = holdings.openSession(place, paidBy: payer, at: payer.pending, givesWay: true)
        input = holdings.openSession(place, paidBy: payer, at: payer.bytes, givesWay: true)
    }

    /// Which instance is served here; none outside of tunnels, and none to those whom we called.
    var instance: CalledInstance? {
        if case .guest(let instance) = role { instance } else { nil }
    }

    /// What the peer is at this moment, as the policy has it.
    private var caller: MethodCaller {
        switch role {
        case .portal(let announces): return .portal(announces: announces)
        case .endpoint: return .endpoint
        case .guest(let instance):
            guard let peer = secure.peer, let standing = instance.standing(of: peer) else { return .nobody }
            return .guest(peer, standing, instance)
        }
    }

    // MARK: What arrives

    /// Sees to what has arrived, up to the next thing that concerns the connection.
    ///
    /// Stops with `nil`, too, where the answers that wait to be sent have come to `limit` bytes.
    func next(whileBelow limit: Int, at now: NIODeadline) throws(SecureSessionError) -> Event? {
        streams.arrived(at: now)
        while allowance > 0, secure.outboundByteCount < limit, let event = try secure.next() {
            switch event {
            case .client(let key): return .client(key)
            case .proof: return .proof
            case .established(let key): return .established(key)
            case .ended: return .ended
            case .packet(let stream, let byteCount):
                guard streams.receivePacket(byteCount, on: stream) else { return .packet(stream) }
            case .session(let event):
                allowance -= 1
                if let event = receive(event) { return event }
            }
            guard !isBeyondLimits else { throw .overAllowance }
        }
        guard pay() else { throw .overAllowance }
        return nil
    }

    private func receive(_ event: RPCEvent) -> Event? {
        switch event {
        case .request(let request):
            return serve(request)
        case .reply(let number, let reply):
            return streams.answered(number) ? nil : .reply(number, reply)
        case .lateFailure(let number, let error):
            return .lateFailure(number, error)
        case .data(let stream, let type, let body):
            return streams.receive(body, type, on: stream) ? nil : .bytes(stream, body)
        case .ended(let stream, let error):
            return streams.receiveEnd(error, on: stream) ? nil : .streamEnded(stream, error)
        case .goodbye:
            return .ended
        }
    }

    // MARK: What the peer may make us hold

    /// Whether the peer does not read what it has asked for, or does what no honest peer does.
    private var isBeyondLimits: Bool {
        noteAnswers()
        return streams.isBeyondLimits
    }

    /// Counts what was answered, and asks for a sign that it was read.
    private func noteAnswers() {
        guard id != .outer else { return }
        let answered = secure.muxrpc.answeredByteCount
        streams.noteAnswers(answered - answeredByteCount)
        answeredByteCount = answered
    }

    /// Pays for what the session holds; whether there is room.
    ///
    /// What the one with the portal holds, its connection pays for.
    private func pay() -> Bool {
        guard id != .outer else { return true }
        let pendingByteCount = secure.pendingByteCount
        return streams.pay(for: pendingByteCount + streams.unreadAnswerByteCount, at: pending)
            && streams.pay(for: secure.heldByteCount - pendingByteCount, at: input)
    }

    // MARK: What is offered

    /// Offers what somebody of this standing may call.
    func offer(to standing: EndpointPolicy.Standing, of peer: PublicKey, in instance: CalledInstance) {
        secure.muxrpc.manifest = NodeMethods.manifest(for: .guest(peer, standing, instance))
        let byteCount = standing == .invite ? Self.invitePendingByteCount : Self.friendPendingByteCount
        secure.inboundAllowance = byteCount
        streams.limitUnreadAnswers(to: byteCount)
    }

    /// Follows a change of the policy; `false` where the peer is not to be here any more.
    func followPolicy() -> Bool {
        guard case .guest(let peer, let standing, let instance) = caller else { return false }
        offer(to: standing, of: peer, in: instance)
        let allowed = Set(instance.services(for: peer))
        streams.endServices(message: ErrorText.unknownService) { !allowed.contains($0) }
        return true
    }

    /// Tells a peer that it is not let in any more.
    func tellRemoved() { _ = try? secure.muxrpc.call(Method.removedFromCircle.name, []) }

    // MARK: What is asked of us

    private func serve(_ request: Request) -> Event? {
        guard !isTurnedAway else {
            refuse(request, ErrorText.tooManySessions)
            endsNext = true
            return nil
        }
        let caller = caller
        guard let method = NodeMethods.named(request.name), method.isOffered(to: caller) else {
            refuse(request, ErrorText.noSuchMethod(request.name))
            return nil
        }
        if method.asksOwner, !questions.hasRoom {
            refuse(request, ErrorText.tooManyQuestions)
            return nil
        }
        let call = MethodCall(
            arguments: request.arguments, caller: caller, peer: secure.peer, wallClock: context.wallClock)
        return perform(method.answer(call), of: method, to: request)
    }

    private func perform(
        _ answer: MethodAnswer, of method: any NodeMethod.Type, to request: Request
    ) -> Event? {
        switch answer {
        case .value(let value):
            reply(to: request.number, value)
        case .failure(let message):
            refuse(request, message)
            if method.endsSession { endsNext = true }
        case .question(let kind):
            guard let peer = secure.peer else { break }
            let question = questions.ask(request.number, in: id, endsSession: method.endsSession)
            context.outputs.append(.asked(Question(id: question, peer: peer, kind: kind)))
        case .echo, .service:
            open(request, answer)
        case .unknownService(let name, let friend, let instance):
            refuse(request, ErrorText.unknownService)
            context.outputs.append(.event(.unknownService(name, friend, instance: instance)))
        case .tunnel(let connect):
            return .tunnel(connect, request.stream)
        case .dismissal:
            // In the words of a method that nobody has: an older node answers so too.
            refuse(request, ErrorText.noSuchMethod(request.name))
            return .dismissed
        case .move:
            reply(to: request.number, true)
            return .moveAsked
        }
        return nil
    }

    /// Begins a stream that the peer pays for, or refuses it where it cannot.
    private func open(_ request: Request, _ answer: MethodAnswer) {
        do throws(ScarceResource) {
            if case .service(let name, let friend) = answer {
                let (key, place) = try streams.openedService(named: name.name, on: request.stream)
                context.outputs.append(.connectService(key, name, friend: friend, place: place))
            } else {
                try streams.openedEcho(on: request.stream)
            }
        } catch {
            refuse(request, error.refusal)
        }
    }

    private func refuse(_ request: Request, _ message: String) {
        if request.kind == .async {
            secure.muxrpc.fail(request.number, message: message)
        } else {
            secure.muxrpc.fail(request.stream, message: message)
        }
    }

    private func reply(to call: RequestNumber, _ value: JSONValue) {
        do {
            try secure.muxrpc.reply(to: call, with: value)
        } catch {
            secure.muxrpc.fail(call, message: ErrorText.unsendable)
        }
    }

    /// Answers a question; does nothing where it was answered, or its session says goodbye.
    func answer(_ question: QuestionID, with answer: Answer) {
        guard let (call, isLast) = questions.take(question) else { return }
        if isLast { endsNext = true }
        switch answer {
        case .value(let value):
            reply(to: call, value)
        case .secret(let json):
            do {
                try json.withSpan { span throws(MuxRPCError) in
                    try secure.reply(to: call, withSecret: span)
                }
            } catch {
                secure.muxrpc.fail(call, message: ErrorText.unsendable)
            }
        case .failure(let message):
            secure.muxrpc.fail(call, message: message)
        }
    }
}
