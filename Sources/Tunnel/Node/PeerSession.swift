internal import Account
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import Sodium

/// One session of a node's connection: tells apart what its streams see to, what every session answers, and what
/// concerns the connection.
final class PeerSession {
    /// What the connection has to see to.
    enum Concern {
        case client(PublicKey)
        case proof
        case established(PublicKey)
        /// A call that only the connection can answer.
        case request(Request)
        case reply(RequestNumber, Reply)
        case lateFailure(RequestNumber, RemoteError)
        /// A packet of a stream that is not in the table here: open it or lose it.
        case packet(StreamID)
        case bytes(StreamID, ByteBuffer)
        case streamEnded(StreamID, RemoteError?)
        case ended
    }

    let id: SessionID
    let secure: SecureSession
    let streams: PeerStreams
    /// Which instance is served here, and to whom; none outside of tunnels, and none to those whom we called.
    let house: CalledInstance?
    let outputs: NodeOutputs
    /// Who pays for what this session holds: whom we have called, or the portal until the peer has proved who it is.
    private(set) var payer: Payer
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
    /// What the owner was asked and has not answered.
    private var questions: [UInt64: RequestNumber] = [:]
    /// Those whose answer ends the session.
    private var inviteQuestions: Set<UInt64> = []
    private var lastQuestion: UInt64 = 0

    /// A session; `house` says what to offer to the peer, where it came through a tunnel.
    init(
        id: SessionID, secure: SecureSession, house: CalledInstance?, payer: Payer, in context: SessionContext
    ) {
        self.id = id
        self.secure = secure
        self.house = house
        self.payer = payer
        self.context = context
        outputs = context.outputs
        streams = PeerStreams(session: id, secure: secure, payer: payer, in: context)
        let place = SessionPlace(connection: context.connection, session: id)
        let holdings = context.holdings
        pending = holdings.openSession(place, paidBy: payer, at: payer.pending, givesWay: false)
        input = holdings.openSession(place, paidBy: payer, at: payer.bytes, givesWay: false)
    }

    /// The peer has proved who it is, and pays from now on; what it holds may have to give way to others.
    func setPayer(_ payer: Payer) {
        self.payer = payer
        streams.payer = payer
        let place = SessionPlace(connection: context.connection, session: id)
        let holdings = context.holdings
        pending = holdings.openSession(place, paidBy: payer, at: payer.pending, givesWay: true)
        input = holdings.openSession(place, paidBy: payer, at: payer.bytes, givesWay: true)
    }

    // MARK: What arrives

    /// Sees to what has arrived, up to the next thing that concerns the connection.
    ///
    /// Stops with `nil`, too, where the answers that wait to be sent have come to `limit` bytes.
    func next(whileBelow limit: Int, at now: NIODeadline) throws(SecureSessionError) -> Concern? {
        streams.arrival = now
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
                if let concern = receive(event) { return concern }
            }
            guard !isBeyondLimits else { throw .overAllowance }
        }
        guard pay() else { throw .overAllowance }
        return nil
    }

    // MARK: What the peer may make us hold

    /// Limits what may be pending: packets that have not come whole, and answers that are not read.
    func limitPending(to byteCount: Int) {
        secure.inboundAllowance = byteCount
        streams.unread.answerLimit = byteCount
    }

    /// Whether the peer does not read what it has asked for, or does what no honest peer does.
    private var isBeyondLimits: Bool {
        noteAnswers()
        return streams.unread.isBeyondLimit || streams.isAbused
    }

    /// Counts what was answered, and asks for a sign that it was read.
    private func noteAnswers() {
        guard id != .outer else { return }
        let answered = secure.muxrpc.answeredByteCount
        streams.unread.add(answers: answered - answeredByteCount)
        answeredByteCount = answered
        guard streams.unread.isQuestionDue,
            let question = try? secure.muxrpc.call(["tunnel", "ping"], [])
        else { return }
        streams.unread.ask(by: question)
    }

    /// Pays for what the session holds; whether there is room.
    ///
    /// What the one with the portal holds, its connection pays for.
    private func pay() -> Bool {
        guard id != .outer else { return true }
        let pendingByteCount = secure.pendingByteCount
        return streams.pay(for: pendingByteCount + streams.unread.answerByteCount, at: pending)
            && streams.pay(for: secure.heldByteCount - pendingByteCount, at: input)
    }

    private func receive(_ event: SessionEvent) -> Concern? {
        switch event {
        case .request(let request):
            return serve(request) ? nil : .request(request)
        case .reply(let number, let reply):
            guard streams.unread.answered(number) else { return .reply(number, reply) }
            streams.resumeEchoes()
            return nil
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

    // MARK: What is asked of us

    /// Answers a call that any session answers, or that this peer may make; `false` for all others.
    private func serve(_ request: Request) -> Bool {
        guard !isTurnedAway else {
            refuse(request, NodeErrorText.tooManySessions)
            endsNext = true
            return true
        }
        switch request.name {
        case ["whoami"]:
            reply(to: request, ["id": .string(secure.peer?.id ?? "")])
        case ["tunnel", "ping"]:
            reply(to: request, .integer(context.wallClock()))
        default:
            guard let house, let peer = secure.peer, let standing = house.standing(of: peer) else {
                return false
            }
            switch standing {
            case .friend: return serve(request, of: peer, in: house)
            case .invite: return serve(request, ofInvite: peer)
            }
        }
        return true
    }

    /// Ends a call or a stream that is not offered to this peer, in the words of a manifest without it.
    func refuse(_ request: Request) {
        refuse(request, NodeErrorText.noSuchMethod(request.name))
    }

    private func refuse(_ request: Request, _ message: String) {
        if request.kind == .async {
            secure.muxrpc.fail(request.number, message: message)
        } else {
            secure.muxrpc.fail(request.stream, message: message)
        }
    }

    func reply(to request: Request, _ value: JSONValue) { reply(to: request.number, value) }

    private func reply(to call: RequestNumber, _ value: JSONValue) {
        do {
            try secure.muxrpc.reply(to: call, with: value)
        } catch {
            secure.muxrpc.fail(call, message: NodeErrorText.unsendable)
        }
    }

    // MARK: Questions

    /// Puts a call to the owner, unless too many are unanswered.
    func ask(_ kind: Question.Kind, for request: Request, of peer: PublicKey) {
        lastQuestion += 1
        questions[lastQuestion] = request.number
        if request.name == ["invite", "use"] { inviteQuestions.insert(lastQuestion) }
        let id = QuestionID(session: self.id, ordinal: lastQuestion)
        outputs.append(.asked(Question(id: id, peer: peer, kind: kind)))
    }

    /// Whether one more question may be put to the owner; the call is answered where not.
    func hasRoomForQuestion(_ request: Request) -> Bool {
        guard questions.count >= Question.limit else { return true }
        secure.muxrpc.fail(request.number, message: NodeErrorText.tooManyQuestions)
        return false
    }

    /// An invite's holder was answered: it has nothing else to do here.
    func finishInvite() { endsNext = true }

    /// Answers a question; does nothing where it was answered, or its session says goodbye.
    func answer(_ question: QuestionID, with answer: Answer) {
        guard let call = questions.removeValue(forKey: question.ordinal) else { return }
        // The holder of an invite asks one thing.
        if inviteQuestions.remove(question.ordinal) != nil { finishInvite() }
        switch answer {
        case .value(let value):
            reply(to: call, value)
        case .secret(let json):
            do {
                try json.withSpan { span throws(MuxRPCError) in
                    try secure.reply(to: call, withSecret: span)
                }
            } catch {
                secure.muxrpc.fail(call, message: NodeErrorText.unsendable)
            }
        case .failure(let message):
            secure.muxrpc.fail(call, message: message)
        }
    }
}
