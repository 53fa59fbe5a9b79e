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
    private let policy: EndpointPolicy?
    private let wallClock: @Sendable () -> Int64
    private let outputs: NodeOutputs

    /// A session; `policy` is what to offer to the peer, where it is a friend inside a tunnel.
    init(
        id: SessionID, secure: SecureSession, policy: EndpointPolicy?, held: HeldBytes, outputs: NodeOutputs,
        wallClock: @escaping @Sendable () -> Int64
    ) {
        self.id = id
        self.secure = secure
        self.policy = policy
        self.outputs = outputs
        self.wallClock = wallClock
        streams = PeerStreams(session: id, secure: secure, held: held, outputs: outputs)
    }

    // MARK: What arrives

    /// Sees to what has arrived, up to the next thing that concerns the connection.
    ///
    /// Stops with `nil`, too, where the answers that wait to be sent have come to `limit` bytes.
    func next(whileBelow limit: Int) throws(SecureSessionError) -> Concern? {
        while secure.outboundByteCount < limit, let event = try secure.next() {
            switch event {
            case .client(let key): return .client(key)
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

    /// Answers a call that any session answers, or that a friend may make; `false` for all others.
    private func serve(_ request: Request) -> Bool {
        switch request.name.joined(separator: ".") {
        case "whoami":
            reply(to: request, ["id": .string(secure.peer?.id ?? "")])
        case "tunnel.ping":
            reply(to: request, .integer(wallClock()))
        case "service.list":
            reply(to: request, .array((policy?.services ?? []).map { .string($0) }))
        case "service.open":
            openService(request)
        case "echo":
            admit(.newEcho, request)
        default:
            return false
        }
        return true
    }

    private func openService(_ request: Request) {
        let name = request.arguments.first?["name"]?.string
        guard let name, let policy, policy.services.contains(name), let friend = secure.peer else {
            secure.muxrpc.fail(request.stream, message: NodeErrorText.unknownService)
            if let friend = secure.peer {
                outputs.append(.happened(.unknownService(ConnectRefusal.cut(name ?? ""), friend)))
            }
            return
        }
        let end = PeerStreams.End.service(ServiceStream(isOpener: false, localEnd: .connecting))
        guard let key = admit(end, request) else { return }
        outputs.append(.connectService(key, name: name, friend: friend))
    }

    @discardableResult
    private func admit(_ end: PeerStreams.End, _ request: Request) -> StreamKey? {
        guard streams.count < PeerStreams.limit else {
            secure.muxrpc.fail(request.stream, message: NodeErrorText.tooManyStreams)
            return nil
        }
        return streams.insert(end, on: request.stream)
    }

    private func reply(to request: Request, _ value: JSONValue) {
        do {
            try secure.muxrpc.reply(to: request.number, with: value)
        } catch {
            secure.muxrpc.fail(request.number, message: "the answer cannot be sent")
        }
    }
}
