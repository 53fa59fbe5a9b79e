internal import Account
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// The streams of one session that end at this node: credit, half-closes, and what their local ends say.
///
/// ### Invariants
/// - What a stream holds is paid for by ``payer``; one that cannot pay is over.
/// - A stream with bytes that it may not send yet is in ``turns``, and it has a ``StreamWaits`` entry where it may send
///   some, and waits for more.
final class PeerStreams {
    /// What stands at our end of a stream.
    enum End {
        /// A stream with credit.
        case service(ServiceStream)
        /// An echo whose caller has sent nothing yet.
        case newEcho
        /// An echo for a caller that knows no credit.
        case bareEcho
        /// A stream that the owner opened to see its packets.
        case items
    }

    private struct Entry {
        let key: StreamKey
        var end: End
        /// What is paid for it until its end is known.
        let place: ServicePlace
    }

    /// How many grants below ``SendTurns/leastByteCount`` a second are taken: no reader that is honest gives many.
    private static let smallGrantsPerSecond = 1000.0

    let session: SessionID
    let secure: SecureSession
    let context: SessionContext
    private var entries: [StreamID: Entry] = [:]
    private var lastOrdinal: UInt64 = 0
    private var touched: Set<StreamID> = []
    private var turns = SendTurns()
    /// Whether it is noted that some wait that were not looked at in the last round.
    private var hasNotedRound = false
    private var receipts = SessionReceipts()
    /// The streams whose readers have drained something that is not granted back.
    private var owing: Set<StreamID> = []
    var echoes = BareEchoes()
    private var smallGrants: Rate?
    /// Who pays for what the streams hold.
    var payer: Payer
    /// What was sent without credit, and may not be read.
    var unread = UnreadAnswers()
    /// Whether the peer has done more than any that is honest does, so that its session ends.
    private(set) var isAbused = false
    /// When the bytes arrived that are being taken.
    var arrival = NIODeadline.uptimeNanoseconds(0)

    init(
        session: SessionID, secure: SecureSession, payer: Payer, in context: SessionContext
    ) {
        self.session = session
        self.secure = secure
        self.payer = payer
        self.context = context
    }

    var count: Int { entries.count }

    /// The key of a stream that is about to be there.
    func makeKey(for stream: StreamID) -> StreamKey {
        lastOrdinal += 1
        return StreamKey(session: session, stream: stream, ordinal: lastOrdinal)
    }

    func insert(_ end: End, as key: StreamKey, at place: ServicePlace) {
        entries[key.stream] = Entry(key: key, end: end, place: place)
    }

    func isOpen(_ key: StreamKey) -> Bool { entries[key.stream]?.key == key }

    func place(of stream: StreamID) -> ServicePlace? { entries[stream]?.place }

    private func service(_ key: StreamKey) -> ServiceStream? {
        guard let entry = entries[key.stream], entry.key == key, case .service(let service) = entry.end else {
            return nil
        }
        return service
    }

    // MARK: What arrives

    /// Opens an announced packet right where its bytes are wanted; whether the stream is one of these.
    func receivePacket(_ byteCount: Int, on stream: StreamID) -> Bool {
        guard let entry = entries[stream] else { return false }
        if case .service(let service) = entry.end {
            receive(byteCount, on: stream, of: service) { secure.openPacket(into: &$0) }
            return true
        }
        var body = ByteBuffer()
        secure.openPacket(into: &body)
        return receive(body, .binary, on: stream)
    }

    /// Takes what did not come as one packet in one box; whether the stream is one of these.
    func receive(_ body: ByteBuffer, _ type: BodyType, on stream: StreamID) -> Bool {
        guard let entry = entries[stream] else { return false }
        switch (entry.end, type) {
        case (.service(let service), .binary):
            receive(body.readableBytes, on: stream, of: service) { $0.writeImmutableBuffer(body) }
        case (.service(let service), .json):
            receiveCredit(body, on: stream, of: service)
        case (.service, .string):
            breach(.badPacket, on: stream)
        case (.items, _):
            context.outputs.append(.item(entry.key, type, body))
        case (.newEcho, _):
            entries[stream]?.end = Self.echo(firstPacket: body, type, at: entry.place)
            return receive(body, type, on: stream)
        case (.bareEcho, _):
            echo(body, type, on: stream)
        }
        return true
    }

    /// Takes note that the other side has ended a stream; whether it is one of these.
    func receiveEnd(_ error: RemoteError?, on stream: StreamID) -> Bool {
        guard let entry = entries[stream] else { return false }
        switch entry.end {
        case .service(let service):
            let failure: StreamFailure? =
                if let error { .remote(error.message) } else { service.isComplete ? nil : .truncated }
            forget(stream, failure)
        case .items:
            entries[stream] = nil
            context.outputs.append(.itemsEnded(entry.key, error))
        case .newEcho, .bareEcho:
            forget(stream, nil)
        }
        return true
    }

    private func receive(
        _ byteCount: Int, on stream: StreamID, of service: ServiceStream, open: (inout ByteBuffer) -> Void
    ) {
        do throws(CreditError) {
            let before = service.received
            try service.receive(byteCount, at: arrival)
            receipts.change(from: before, to: service.received)
            if receipts.undrained > Credit.heldByteCount { throw .exceeded }
            let held = service.heldByteCount(with: byteCount)
            guard held <= service.place.byteCount || pay(for: held, at: service.place.open) else {
                return abort(stream, message: NodeErrorText.heldTooMuch)
            }
            service.fill(byteCount, open)
            touched.insert(stream)
        } catch {
            breach(error, on: stream)
        }
    }

    private func receiveCredit(_ body: ByteBuffer, on stream: StreamID, of service: ServiceStream) {
        do throws(CreditError) {
            guard let json = try? JSONValue(body: body) else { throw .badPacket }
            let packet = try CreditPacket(json)
            if case .grant(let byteCount) = packet, byteCount < SendTurns.leastByteCount { noteSmallGrant() }
            let before = service.credit.unreturned
            try service.receive(packet)
            turns.change(from: before, to: service.credit.unreturned)
            touched.insert(stream)
        } catch {
            breach(error, on: stream)
        }
    }

    private func noteSmallGrant() {
        let perSecond = Self.smallGrantsPerSecond
        var rate = smallGrants ?? Rate(perSecond: perSecond, burst: perSecond, at: arrival)
        if !rate.take(at: arrival) { isAbused = true }
        smallGrants = rate
    }

    // MARK: The local ends

    func connected(_ key: StreamKey) {
        guard let service = service(key) else { return }
        service.localEnd = .connected
        touched.insert(key.stream)
    }

    func offer(_ bytes: ByteBuffer, on key: StreamKey) -> Bool {
        guard let service = service(key) else { return true }
        service.offer(bytes)
        touched.insert(key.stream)
        pump(key.stream, service)
        service.owesWantsMore = service.isBacklogged
        return !service.isBacklogged
    }

    func offerEnd(on key: StreamKey) {
        guard let service = service(key) else { return }
        service.offerEnd()
        pump(key.stream, service)
    }

    func drained(_ byteCount: Int, on key: StreamKey) {
        guard let service = service(key) else { return }
        drain(byteCount, of: service, on: key.stream)
        touched.insert(key.stream)
    }

    /// Ends a stream in the middle, with words for the other side.
    func abort(_ key: StreamKey, message: String) {
        if isOpen(key) { abort(key.stream, message: message) }
    }

    func abort(_ stream: StreamID, message: String) {
        secure.muxrpc.fail(stream, message: message)
        forget(stream, .local(message))
    }

    /// Ends the streams of those of our services that are not to be used any more.
    func endServices(message: String, where isOver: (String) -> Bool) {
        for entry in entries.values {
            if case .service(let service) = entry.end, let name = service.name, isOver(name) {
                abort(entry.key, message: message)
            }
        }
    }

    // MARK: Settling

    /// Hands on what arrived and sends what may be sent: once after every round of input.
    func settle() {
        while let stream = touched.popFirst() { settle(stream) }
        turns.beginRound()
        while let stream = turns.next() {
            guard case .service(let service)? = entries[stream]?.end, service.isBacklogged else { continue }
            let before = service.unsentByteCount
            settle(stream)
            if service.unsentByteCount == before { turns.lookedInVain() }
        }
        if turns.isUnsettled, !hasNotedRound, let key = entries.first?.value.key {
            hasNotedRound = true
            context.waits.append(key, at: arrival)
        }
        guard receipts.isGrantDue else { return }
        // Small grants cost the other side as much as large ones, so they are given when nothing else is left.
        for least in [SendTurns.leastByteCount, 1] where receipts.isGrantDue {
            for stream in owing {
                guard case .service(let service)? = entries[stream]?.end,
                    service.received.ungranted >= least
                else { continue }
                grant(of: service, on: stream) { $0.grantBack() }
            }
        }
    }

    private func settle(_ stream: StreamID) {
        guard let entry = entries[stream], case .service(let service) = entry.end else { return }
        while let bytes = service.takeIncoming() { report(.received(bytes), entry.key) }
        if service.hasReceivedEnd, !service.hasReportedEnd, service.localEnd != .connecting,
            service.hasHandedAll
        {
            service.hasReportedEnd = true
            if service.localEnd == .echo { service.offerEnd() } else { report(.receivedEnd, entry.key) }
        }
        pump(stream, service)
        guard entries[stream] != nil else { return }
        entry.place.open.holding.used(at: arrival)
        guard !pay(for: service.heldByteCount, at: entry.place.open) else { return }
        abort(stream, message: NodeErrorText.heldTooMuch)
    }

    /// A stream has waited for more credit: what it has is used now.
    func waitIsOver(_ key: StreamKey, at now: NIODeadline) {
        arrival = max(arrival, now)
        hasNotedRound = false
        guard let service = service(key), service.wait != nil else { return }
        service.wait = .over
        touched.insert(key.stream)
    }

    /// The session is over: every stream on it has ended in the middle.
    func abandon() {
        for (stream, entry) in entries {
            switch entry.end {
            case .service(let service):
                forget(stream, service.isComplete ? nil : .truncated)
            case .items:
                context.outputs.append(.itemsEnded(entry.key, RemoteError("the session ended")))
            case .newEcho, .bareEcho: break
            }
        }
        entries = [:]
    }

    private func pump(_ stream: StreamID, _ service: ServiceStream) {
        var isOver = service.wait == .over
        while service.isBacklogged {
            let before = service.credit.unreturned
            let allowance = turns.allowance(
                for: service.credit, of: service.unsentByteCount, isOverdue: isOver)
            guard let bytes = service.takeSendable(limit: allowance) else { break }
            if isOver { (isOver, service.wait) = (false, nil) }
            turns.change(from: before, to: service.credit.unreturned)
            secure.send(bytes, on: stream)
            if service.localEnd == .echo {
                drain(bytes.readableBytes, of: service, on: stream)
                _ = service.takeIncoming()
            }
        }
        if service.isBacklogged { return wait(stream, service) }
        turns.remove(stream)
        if service.owesWantsMore, let key = entries[stream]?.key {
            service.owesWantsMore = false
            report(.wantsMore, key)
        }
        if service.localEnd == .echo, service.hasReceivedEnd, service.hasHandedAll { service.offerEnd() }
        if service.takeEnd() { send(CreditPacket.end.json, on: stream) }
        if service.isOpener, service.isComplete {
            secure.muxrpc.end(stream)
            forget(stream, nil)
        }
    }

    /// Has a stream wait for credit, and for a little while only where it has some.
    private func wait(_ stream: StreamID, _ service: ServiceStream) {
        turns.wait(stream)
        let most = turns.allowance(for: service.credit, of: service.unsentByteCount, isOverdue: true)
        guard most > 0, service.wait == nil, let key = entries[stream]?.key else { return }
        service.wait = .begun
        context.waits.append(key, at: arrival)
    }

    private func drain(_ byteCount: Int, of service: ServiceStream, on stream: StreamID) {
        grant(of: service, on: stream) { service in
            service.drained(byteCount) { !payer.isMemoryShort }
        }
    }

    private func grant(
        of service: ServiceStream, on stream: StreamID, _ grants: (ServiceStream) -> [Int]
    ) {
        let before = service.received
        send(grants: grants(service), on: stream)
        receipts.change(from: before, to: service.received)
        if service.received.ungranted > 0 { owing.insert(stream) } else { owing.remove(stream) }
    }

    func send(grants: [Int], on stream: StreamID) {
        for grant in grants { send(CreditPacket.grant(grant).json, on: stream) }
    }

    /// A stream that is not open any more takes nothing: its end is already on the way up.
    func send(_ json: JSONValue, on stream: StreamID) {
        try? secure.muxrpc.send(json, on: stream)
    }

    private func breach(_ error: CreditError, on stream: StreamID) {
        secure.muxrpc.fail(stream, message: NodeErrorText.credit)
        forget(stream, .credit(error))
    }

    /// Hands the local end what is left for it, and says how the stream has ended.
    private func forget(_ stream: StreamID, _ failure: StreamFailure?) {
        guard let entry = entries.removeValue(forKey: stream) else { return }
        turns.remove(stream)
        echoes.remove(stream)
        guard case .service(let service) = entry.end else { return }
        if service.localEnd != .echo {
            while let bytes = service.takeIncoming(last: true) { report(.received(bytes), entry.key) }
            if failure == nil, !service.hasReportedEnd { report(.receivedEnd, entry.key) }
        }
        turns.change(from: service.credit.unreturned, to: 0)
        receipts.change(from: service.received, to: nil)
        owing.remove(stream)
        // What the local end still has is paid for until it is rid of it: the place goes with it.
        _ = entry.place.open.holding.pay(for: service.leftByteCount)
        guard service.localEnd != .echo else { return }
        report(
            .closed(failure, sent: service.sentByteCount, received: service.receivedByteCount), entry.key)
    }

    private func report(_ event: ServiceEvent, _ key: StreamKey) {
        context.outputs.append(.service(key, event))
    }
}
