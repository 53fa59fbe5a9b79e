internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import Sodium

/// One session of a node's connection with the streams on it: who asks for what, credit, half-closes.
///
/// What is no business of a single session, tunnels above all, it passes on as a ``Concern``.
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

    /// What stands at our end of a stream.
    enum StreamEnd {
        /// A stream with credit.
        case service(ServiceStream)
        /// An echo whose caller has sent nothing yet.
        case newEcho
        /// An echo for a caller that knows no credit.
        case bareEcho
        /// A stream that the owner opened to see its packets.
        case items
    }

    /// How many streams a friend may have open; each may make us hold a window for a service that is slow to answer.
    static let streamLimit = 1024

    let id: SessionID
    let secure: SecureSession
    private let policy: EndpointPolicy?
    private let wallClock: @Sendable () -> Int64
    private let outputs: NodeOutputs
    private var streams: [StreamID: StreamEnd] = [:]
    private var touched: Set<StreamID> = []
    private var waitingForCredit: Set<StreamID> = []
    private var credit = SessionCredit()
    /// What waits for readers that have not taken it, over all streams.
    private var heldByteCount = 0

    /// - Parameters:
    ///   - policy: what to offer to the peer, where it is a friend inside a tunnel.
    ///   - wallClock: milliseconds since 1970, for `tunnel.ping`.
    init(
        id: SessionID, secure: SecureSession, policy: EndpointPolicy?, outputs: NodeOutputs,
        wallClock: @escaping @Sendable () -> Int64
    ) {
        self.id = id
        self.secure = secure
        self.policy = policy
        self.outputs = outputs
        self.wallClock = wallClock
    }

    // MARK: What arrives

    /// Sees to what has arrived, up to the next thing that concerns the connection.
    func next() throws(SecureSessionError) -> Concern? {
        while let event = try secure.next() {
            switch event {
            case .client(let key): return .client(key)
            case .established(let key): return .established(key)
            case .ended: return .ended
            case .packet(let stream, let byteCount):
                guard let end = streams[stream] else { return .packet(stream) }
                receivePacket(byteCount, on: stream, of: end)
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
            guard let end = streams[stream] else { return .bytes(stream, body) }
            receive(body, type, on: stream, of: end)
            return nil
        case .ended(let stream, let error):
            guard let end = streams[stream] else { return .streamEnded(stream, error) }
            receiveEnd(error, on: stream, of: end)
            return nil
        case .goodbye:
            return .ended
        }
    }

    /// A packet that is opened right where its bytes are wanted.
    private func receivePacket(_ byteCount: Int, on stream: StreamID, of end: StreamEnd) {
        if case .service(let service) = end {
            receive(byteCount, on: stream, of: service) { secure.openPacket(into: &$0) }
            return
        }
        var body = ByteBuffer()
        secure.openPacket(into: &body)
        receive(body, .binary, on: stream, of: end)
    }

    private func receive(_ body: ByteBuffer, _ type: BodyType, on stream: StreamID, of end: StreamEnd) {
        switch (end, type) {
        case (.service(let service), .binary):
            receive(body.readableBytes, on: stream, of: service) { $0.writeImmutableBuffer(body) }
        case (.service(let service), .json):
            receiveCredit(body, on: stream, of: service)
        case (.service, .string):
            breach(.badPacket, on: stream)
        case (.items, _):
            outputs.append(.item(StreamKey(session: id, stream: stream), type, body))
        case (.newEcho, _):
            streams[stream] = startEcho(firstPacket: body, type)
            if let end = streams[stream] { receive(body, type, on: stream, of: end) }
        case (.bareEcho, .binary):
            secure.send(body, on: stream)
        case (.bareEcho, .json):
            if let json = try? JSONValue(parsing: body) { send(json, on: stream) }
        case (.bareEcho, .string):
            send(.string(String(buffer: body)), on: stream)
        }
    }

    private func receive(
        _ byteCount: Int, on stream: StreamID, of service: ServiceStream, open: (inout ByteBuffer) -> Void
    ) {
        do throws(CreditError) {
            try service.receive(byteCount)
            service.fill(open)
            touched.insert(stream)
            heldByteCount += byteCount
            if heldByteCount > Credit.heldByteCount { throw .exceeded }
        } catch {
            breach(error, on: stream)
        }
    }

    private func receiveCredit(_ body: ByteBuffer, on stream: StreamID, of service: ServiceStream) {
        do throws(CreditError) {
            guard let json = try? JSONValue(parsing: body) else { throw .badPacket }
            let before = service.credit.unreturned
            try service.receive(CreditPacket(json))
            credit.change(from: before, to: service.credit.unreturned)
            touched.insert(stream)
            touched.formUnion(waitingForCredit)
        } catch {
            breach(error, on: stream)
        }
    }

    private func receiveEnd(_ error: RemoteError?, on stream: StreamID, of end: StreamEnd) {
        switch end {
        case .service(let service):
            if let bytes = service.takeIncoming() { report(.received(bytes), stream) }
            let failure: StreamFailure? =
                if let error { .remote(error.message) } else { service.isComplete ? nil : .truncated }
            forget(stream, failure)
        case .items:
            streams[stream] = nil
            outputs.append(.itemsEnded(StreamKey(session: id, stream: stream), error))
        case .newEcho, .bareEcho:
            streams[stream] = nil
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
                outputs.append(.happened(.unknownService(String((name ?? "").prefix(64)), friend)))
            }
            return
        }
        guard admit(.service(ServiceStream(isOpener: false, localEnd: .connecting)), request) else { return }
        outputs.append(
            .connectService(StreamKey(session: id, stream: request.stream), name: name, friend: friend))
    }

    @discardableResult
    private func admit(_ end: StreamEnd, _ request: Request) -> Bool {
        guard streams.count < Self.streamLimit else {
            secure.muxrpc.fail(request.stream, message: "too many streams")
            return false
        }
        streams[request.stream] = end
        return true
    }

    /// A grant first means that the caller speaks credit.
    private func startEcho(firstPacket body: ByteBuffer, _ type: BodyType) -> StreamEnd {
        guard type == .json, let json = try? JSONValue(parsing: body), json["credit"] != nil else {
            return .bareEcho
        }
        return .service(ServiceStream(isOpener: false, localEnd: .echo))
    }

    private func reply(to request: Request, _ value: JSONValue) {
        do {
            try secure.muxrpc.reply(to: request.number, with: value)
        } catch {
            secure.muxrpc.fail(request.number, message: "the answer cannot be sent")
        }
    }

    // MARK: What we open

    /// Opens a stream with credit; an echo's caller says so with its first packet.
    func openService(_ name: [String], _ arguments: [JSONValue]) throws(MuxRPCError) -> StreamID {
        let stream = try secure.muxrpc.open(.duplex, name, arguments)
        let service = ServiceStream(isOpener: true, localEnd: .connected)
        streams[stream] = .service(service)
        if name == ["echo"] { send(grants: service.openingGrant(), on: stream) }
        return stream
    }

    /// Opens a stream whose packets the owner wants to see one by one.
    func openItems(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue]
    ) throws(MuxRPCError) -> StreamID {
        let stream = try secure.muxrpc.open(kind, name, arguments)
        streams[stream] = .items
        return stream
    }

    // MARK: The local ends

    func connected(_ stream: StreamID) {
        guard case .service(let service)? = streams[stream] else { return }
        service.localEnd = .connected
        touched.insert(stream)
    }

    func offer(_ bytes: ByteBuffer, on stream: StreamID) -> Bool {
        guard case .service(let service)? = streams[stream] else { return true }
        service.offer(bytes)
        pump(stream, service)
        service.owesWantsMore = service.isBacklogged
        return !service.isBacklogged
    }

    func offerEnd(on stream: StreamID) {
        guard case .service(let service)? = streams[stream] else { return }
        service.offerEnd()
        pump(stream, service)
    }

    func drained(_ byteCount: Int, on stream: StreamID) {
        guard case .service(let service)? = streams[stream] else { return }
        drain(byteCount, of: service, on: stream)
    }

    private func drain(_ byteCount: Int, of service: ServiceStream, on stream: StreamID) {
        heldByteCount -= byteCount
        send(grants: service.drained(byteCount), on: stream)
    }

    /// Ends a stream in the middle, with words for the other side.
    func abort(_ stream: StreamID, message: String) {
        guard streams[stream] != nil else { return }
        secure.muxrpc.fail(stream, message: message)
        forget(stream, .local(message))
    }

    /// Hands on what arrived and sends what may be sent: once after every round of input.
    func settle() {
        while let stream = touched.popFirst() {
            guard case .service(let service)? = streams[stream] else { continue }
            if let bytes = service.takeIncoming() { report(.received(bytes), stream) }
            if service.hasReceivedEnd, !service.hasReportedEnd, service.localEnd != .connecting {
                service.hasReportedEnd = true
                if service.localEnd == .echo { service.offerEnd() } else { report(.receivedEnd, stream) }
            }
            pump(stream, service)
        }
    }

    /// The session is over: every stream on it has ended in the middle.
    func abandonStreams() {
        for (stream, end) in streams {
            switch end {
            case .service(let service):
                if let bytes = service.takeIncoming() { report(.received(bytes), stream) }
                forget(stream, service.isComplete ? nil : .truncated)
            case .items:
                outputs.append(
                    .itemsEnded(StreamKey(session: id, stream: stream), RemoteError("the session ended")))
            case .newEcho, .bareEcho: break
            }
        }
        streams = [:]
    }

    // MARK: Sending

    private func pump(_ stream: StreamID, _ service: ServiceStream) {
        while true {
            let before = service.credit.unreturned
            guard let bytes = service.takeSendable(limit: credit.allowance(for: service.credit)) else {
                break
            }
            credit.change(from: before, to: service.credit.unreturned)
            secure.send(bytes, on: stream)
            if service.localEnd == .echo {
                drain(bytes.readableBytes, of: service, on: stream)
            }
        }
        if service.isBacklogged {
            waitingForCredit.insert(stream)
            return
        }
        waitingForCredit.remove(stream)
        if service.owesWantsMore {
            service.owesWantsMore = false
            report(.wantsMore, stream)
        }
        if service.takeEnd() { send(CreditPacket.end.json, on: stream) }
        if service.isOpener, service.isComplete {
            if let bytes = service.takeIncoming() { report(.received(bytes), stream) }
            secure.muxrpc.end(stream)
            forget(stream, nil)
        }
    }

    private func send(grants: [Int], on stream: StreamID) {
        for grant in grants { send(CreditPacket.grant(grant).json, on: stream) }
    }

    /// A stream that is not open any more takes nothing: its end is already on the way up.
    private func send(_ json: JSONValue, on stream: StreamID) {
        try? secure.muxrpc.send(json, on: stream)
    }

    private func breach(_ error: CreditError, on stream: StreamID) {
        secure.muxrpc.fail(stream, message: NodeErrorText.credit)
        forget(stream, .credit(error))
    }

    private func forget(_ stream: StreamID, _ failure: StreamFailure?) {
        waitingForCredit.remove(stream)
        guard case .service(let service)? = streams.removeValue(forKey: stream) else { return }
        credit.change(from: service.credit.unreturned, to: 0)
        heldByteCount -= service.received.undrained
        touched.formUnion(waitingForCredit)
        guard service.localEnd != .echo else { return }
        report(
            .closed(failure, sent: service.sentByteCount, received: service.receivedByteCount), stream)
    }

    private func report(_ event: ServiceEvent, _ stream: StreamID) {
        outputs.append(.service(StreamKey(session: id, stream: stream), event))
    }
}
