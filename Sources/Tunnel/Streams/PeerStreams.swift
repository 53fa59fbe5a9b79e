internal import Account
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// The streams of one session that end at this node: who pays for them, and what arrives on those that know no credit.
///
/// ### Invariants
/// - A stream speaks credit, and is one of ``ServiceStreams``, or it is one of ``others``; never both.
/// - What a stream holds is paid for by the payer of ``StreamPayments``; one that cannot pay is over.
final class PeerStreams {
    /// A stream without credit.
    private struct Other {
        enum End {
            /// An echo whose caller has sent nothing yet.
            case newEcho
            /// An echo for a caller that knows no credit.
            case bareEcho
            /// A stream that the owner opened to see its packets.
            case items
        }

        let key: StreamKey
        var end: End
        /// What is paid for it until its end is known.
        let place: ServicePlace
    }

    private let secure: SecureSession
    private let context: SessionContext
    private let services: ServiceStreams
    private var payments: StreamPayments
    private var others: [StreamID: Other] = [:]
    private var lastOrdinal: UInt64 = 0
    private var echoes = BareEchoes()
    /// What was sent without credit, and may not be read.
    private var unread = UnreadAnswers()

    init(session: SessionID, secure: SecureSession, payer: Payer, in context: SessionContext) {
        self.secure = secure
        self.context = context
        services = ServiceStreams(secure: secure, payer: payer, in: context)
        payments = StreamPayments(payer: payer, session: session, in: context)
    }

    var count: Int { services.count + others.count }

    /// Bytes have arrived, which are about to be taken.
    func arrived(at now: NIODeadline) { services.arrived(at: now) }

    // MARK: Beginnings

    private func makePlace(
        for stream: StreamID, _ resources: [ScarceResource]
    ) throws(ScarceResource) -> (StreamKey, ServicePlace) {
        lastOrdinal += 1
        let key = StreamKey(session: payments.session, stream: stream, ordinal: lastOrdinal)
        return (key, try payments.takePlace(for: key, resources, at: services.arrival))
    }

    /// The peer has opened a stream to a service of ours, which is about to be connected.
    func openedService(
        named name: String, on stream: StreamID
    ) throws(ScarceResource) -> (StreamKey, ServicePlace) {
        let (key, place) = try makePlace(for: stream, [.streams, .sockets])
        services.insert(
            ServiceStream(key: key, isOpener: false, localEnd: .connecting, name: name, place: place))
        return (key, place)
    }

    /// The peer has opened an echo.
    func openedEcho(on stream: StreamID) throws(ScarceResource) {
        let (key, place) = try makePlace(for: stream, [.streams])
        others[stream] = Other(key: key, end: .newEcho, place: place)
    }

    /// Opens a stream with credit; an echo's caller says so with its first packet.
    func openService(_ service: ServiceRequest) throws(MuxRPCError) -> StreamKey {
        let stream = try secure.muxrpc.open(.duplex, service.method.name, service.arguments)
        let (key, place) = try ownPlace(for: stream)
        let local = ServiceStream(key: key, isOpener: true, localEnd: .connected, place: place)
        if service == .echo {
            for grant in local.openingGrant() { send(CreditPacket.grant(grant).json, on: stream) }
        }
        services.insert(local)
        return key
    }

    /// Opens a stream whose packets the owner wants to see one by one.
    func openItems(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue]
    ) throws(MuxRPCError) -> StreamKey {
        let stream = try secure.muxrpc.open(kind, name, arguments)
        let (key, place) = try ownPlace(for: stream)
        others[stream] = Other(key: key, end: .items, place: place)
        return key
    }

    /// The place of a stream that we have opened, which takes none that is a peer's to fill; without one it is ended.
    private func ownPlace(for stream: StreamID) throws(MuxRPCError) -> (StreamKey, ServicePlace) {
        do {
            return try makePlace(for: stream, [])
        } catch {
            secure.muxrpc.end(stream)
            throw .queueFull(limit: payments.payer.bytes.capacity)
        }
    }

    // MARK: What arrives

    /// Opens an announced packet right where its bytes are wanted; whether the stream is one of these.
    func receivePacket(_ byteCount: Int, on stream: StreamID) -> Bool {
        if services.receive(byteCount, on: stream, paying: pay, open: { secure.openPacket(into: &$0) }) {
            return true
        }
        guard others[stream] != nil else { return false }
        var body = ByteBuffer()
        secure.openPacket(into: &body)
        return receive(body, .binary, on: stream)
    }

    /// Takes what did not come as one packet in one box; whether the stream is one of these.
    func receive(_ body: ByteBuffer, _ type: BodyType, on stream: StreamID) -> Bool {
        guard let other = others[stream] else {
            guard services.contains(stream) else { return false }
            guard type == .binary else {
                services.receive(body, type, on: stream)
                return true
            }
            return services.receive(body.readableBytes, on: stream, paying: pay) {
                $0.writeImmutableBuffer(body)
            }
        }
        switch other.end {
        case .items:
            context.outputs.append(.item(other.key, type, body))
        case .newEcho where Echo.speaksCredit(firstPacket: body, type):
            others[stream] = nil
            services.insert(
                ServiceStream(key: other.key, isOpener: false, localEnd: .echo, place: other.place))
            services.receive(body, type, on: stream)
        case .newEcho, .bareEcho:
            others[stream]?.end = .bareEcho
            echo(body, type, on: other)
        }
        return true
    }

    /// Takes note that the other side has ended a stream; whether it is one of these.
    func receiveEnd(_ error: RemoteError?, on stream: StreamID) -> Bool {
        guard let other = others[stream] else { return services.receiveEnd(error, on: stream) }
        if other.end == .items { context.outputs.append(.itemsEnded(other.key, error)) }
        forget(stream)
        return true
    }

    private func forget(_ stream: StreamID) {
        others[stream] = nil
        echoes.remove(stream)
    }

    // MARK: What is sent without credit

    /// Whether the peer does not read what it has asked for, or does what no honest peer does.
    var isBeyondLimits: Bool { unread.isBeyondLimit || services.areAbused }

    /// How much of answers the peer may not have read, in bytes.
    var unreadAnswerByteCount: Int { unread.answerByteCount }

    func limitUnreadAnswers(to byteCount: Int) { unread.answerLimit = byteCount }

    /// Takes note that so much was answered, and asks for a sign that it was read where that is due.
    func noteAnswers(_ byteCount: Int) {
        unread.add(answers: byteCount)
        guard unread.isQuestionDue, let question = try? secure.muxrpc.call(Method.ping.name, []) else {
            return
        }
        unread.ask(by: question)
    }

    /// Takes note that a call of ours was answered; whether it was the one that asks for such a sign.
    func answered(_ call: RequestNumber) -> Bool {
        guard unread.answered(call) else { return false }
        while let (stream, type, body) = echoes.next(upTo: unread.echoRoom) {
            // Less than before always has room.
            _ = others[stream]?.place.open.holding.pay(
                for: ServicePlace.ownByteCount + echoes.heldByteCount(of: stream))
            sendBack(body, type, on: stream)
        }
        return true
    }

    /// Sends back as much as the caller reads, and keeps as much as there is room for.
    private func echo(_ body: ByteBuffer, _ type: BodyType, on other: Other) {
        let stream = other.key.stream
        if !echoes.isWaiting(stream), body.readableBytes <= unread.echoRoom {
            return sendBack(body, type, on: stream)
        }
        guard let held = echoes.heldByteCount(of: stream, with: body, type),
            pay(for: ServicePlace.ownByteCount + held, at: other.place.open)
        else { return abort(other.key, message: ErrorText.echoUnread) }
        echoes.append(body, type, on: stream)
    }

    private func sendBack(_ body: ByteBuffer, _ type: BodyType, on stream: StreamID) {
        unread.add(echo: body.readableBytes)
        switch type {
        case .binary: secure.send(body, on: stream)
        case .json: if let json = try? JSONValue(body: body) { send(json, on: stream) }
        case .string: send(.string(String(buffer: body)), on: stream)
        }
    }

    /// A stream that is not open any more takes nothing: its end is already on the way up.
    private func send(_ json: JSONValue, on stream: StreamID) {
        try? secure.muxrpc.send(json, on: stream)
    }

    // MARK: Who pays

    /// Somebody else pays from now on.
    func setPayer(_ payer: Payer) {
        payments = payments.paid(by: payer)
        services.payer = payer
    }

    /// Pays for what something is to hold, a stream of this session or the rest of it; whether there is room.
    func pay(for byteCount: Int, at open: OpenHolding) -> Bool {
        payments.pay(for: byteCount, at: open) { giveWay($0, for: $1) }
    }

    /// A stream has to go for somebody who has less of what is short.
    func giveWay(_ key: StreamKey, for resource: ScarceResource) {
        guard services.contains(key) || others[key.stream]?.key == key else { return }
        if let peer = secure.peer { context.outputs.append(.event(.displaced(peer, for: resource))) }
        abort(key, message: resource.farewell)
    }

    // MARK: The local ends

    func connected(_ key: StreamKey) { services.connected(key) }

    func offer(_ bytes: ByteBuffer, on key: StreamKey) -> Bool { services.offer(bytes, on: key) }

    /// It is the turn of a stream.
    func takeTurn(_ key: StreamKey, sending byteCount: Int) { services.takeTurn(key, sending: byteCount) }

    func offerEnd(on key: StreamKey) { services.offerEnd(on: key) }

    func drained(_ byteCount: Int, on key: StreamKey) { services.drained(byteCount, on: key) }

    /// Ends a stream in the middle, with words for the other side.
    func abort(_ key: StreamKey, message: String) {
        if services.abort(key, message: message) { return }
        guard others[key.stream]?.key == key else { return }
        secure.muxrpc.fail(key.stream, message: message)
        forget(key.stream)
    }

    /// Ends the streams of those of our services that are not to be used any more.
    func endServices(message: String, where isOver: (String) -> Bool) {
        services.endServices(message: message, where: isOver)
    }

    /// Hands on what arrived and sends what may be sent: once after every round of input.
    func settle() { services.settle(paying: pay) }

    /// A stream has waited for more credit: what it has is used now.
    func waitIsOver(_ key: StreamKey, at now: NIODeadline) { services.waitIsOver(key, at: now) }

    /// The session is over: every stream on it has ended in the middle.
    func abandon() {
        services.abandon()
        for other in others.values where other.end == .items {
            context.outputs.append(.itemsEnded(other.key, RemoteError("the session ended")))
        }
        (others, echoes) = ([:], BareEchoes())
    }
}
