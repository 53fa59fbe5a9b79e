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
    /// Who is served here; nobody outside of tunnels, and nobody whom we called.
    let house: CurrentPolicy?
    let outputs: NodeOutputs
    /// Who pays for what this session holds: whom we have called, or the portal until the peer has proved who it is.
    var payer: Payer
    /// Whether there is no place for this peer, of which it is told in answer to every call.
    var isTurnedAway = false
    /// Whether the session has done what it was for: goodbye follows what is being said.
    private(set) var endsNext = false
    private let wallClock: @Sendable () -> Int64
    /// What the owner was asked and has not answered.
    private var questions: [UInt64: Request] = [:]
    private var lastQuestion: UInt64 = 0

    /// A session; `house` says what to offer to the peer, where it came through a tunnel.
    init(
        id: SessionID, secure: SecureSession, house: CurrentPolicy?, payer: Payer, held: HeldBytes,
        outputs: NodeOutputs, wallClock: @escaping @Sendable () -> Int64
    ) {
        self.id = id
        self.secure = secure
        self.house = house
        self.payer = payer
        self.outputs = outputs
        self.wallClock = wallClock
        streams = PeerStreams(session: id, secure: secure, held: held, outputs: outputs)
    }

    // MARK: What arrives

    /// Sees to what has arrived, up to the next thing that concerns the connection.
    ///
    /// Stops with `nil`, too, where the answers that wait to be sent have come to `limit` bytes.
    func next(whileBelow limit: Int, at now: NIODeadline) throws(SecureSessionError) -> Concern? {
        streams.arrival = now
        while secure.outboundByteCount < limit, let event = try secure.next() {
            switch event {
            case .client(let key): return .client(key)
            case .proof: return .proof
            case .established(let key): return .established(key)
            case .ended: return .ended
            case .packet(let stream, let byteCount):
                guard streams.receivePacket(byteCount, on: stream) else { return .packet(stream) }
            case .session(let event):
                if let concern = receive(event) { return concern }
            }
        }
        return nil
    }

    private func receive(_ event: SessionEvent) -> Concern? {
        switch event {
        case .request(let request):
            return serve(request) ? nil : .request(request)
        case .reply(let number, let reply):
            return .reply(number, reply)
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
            reply(to: request, .integer(wallClock()))
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

    func reply(to request: Request, _ value: JSONValue) {
        do {
            try secure.muxrpc.reply(to: request.number, with: value)
        } catch {
            secure.muxrpc.fail(request.number, message: NodeErrorText.unsendable)
        }
    }

    // MARK: Questions

    /// Puts a call to the owner, unless too many are unanswered.
    func ask(_ kind: Question.Kind, for request: Request, of peer: PublicKey) {
        lastQuestion += 1
        questions[lastQuestion] = request
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
        guard let request = questions.removeValue(forKey: question.ordinal) else { return }
        if request.name == ["invite", "use"] { finishInvite() }
        switch answer {
        case .value(let value):
            reply(to: request, value)
        case .secret(let json):
            do {
                try json.withSpan { span throws(MuxRPCError) in
                    try secure.reply(to: request.number, withSecret: span)
                }
            } catch {
                secure.muxrpc.fail(request.number, message: NodeErrorText.unsendable)
            }
        case .failure(let message):
            secure.muxrpc.fail(request.number, message: message)
        }
    }
}
