internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// The streams of one session that end at this node: credit, half-closes, and what their local ends say.
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
    }

    /// How many streams a friend may have open; each may make us hold a window for a service that is slow to answer.
    static let limit = 1024

    private let session: SessionID
    private let secure: SecureSession
    private let outputs: NodeOutputs
    private let connectionHeld: HeldBytes
    private var entries: [StreamID: Entry] = [:]
    private var lastOrdinal: UInt64 = 0
    private var touched: Set<StreamID> = []
    private var waitingForCredit: Set<StreamID> = []
    private var credit = SessionCredit()
    private var receipts = SessionReceipts()
    /// The streams whose readers have drained something that is not granted back.
    private var owing: Set<StreamID> = []
    /// When the bytes arrived that are being taken.
    var arrival = NIODeadline.uptimeNanoseconds(0)

    init(session: SessionID, secure: SecureSession, held: HeldBytes, outputs: NodeOutputs) {
        self.session = session
        self.secure = secure
        self.outputs = outputs
        connectionHeld = held
    }

    var count: Int { entries.count }

    @discardableResult
    func insert(_ end: End, on stream: StreamID) -> StreamKey {
        lastOrdinal += 1
        let key = StreamKey(session: session, stream: stream, ordinal: lastOrdinal)
        entries[stream] = Entry(key: key, end: end)
        return key
    }

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
            outputs.append(.item(entry.key, type, body))
        case (.newEcho, _):
            entries[stream]?.end = Self.echo(firstPacket: body, type)
            return receive(body, type, on: stream)
        case (.bareEcho, .binary):
            secure.send(body, on: stream)
        case (.bareEcho, .json):
            if let json = try? JSONValue(parsing: body) { send(json, on: stream) }
        case (.bareEcho, .string):
            send(.string(String(buffer: body)), on: stream)
        }
        return true
    }

    /// Takes note that the other side has ended a stream; whether it is one of these.
    func receiveEnd(_ error: RemoteError?, on stream: StreamID) -> Bool {
        guard let entry = entries[stream] else { return false }
        switch entry.end {
        case .service(let service):
            if let bytes = service.takeIncoming() { report(.received(bytes), entry.key) }
            let failure: StreamFailure? =
                if let error { .remote(error.message) } else { service.isComplete ? nil : .truncated }
            forget(stream, failure)
        case .items:
            entries[stream] = nil
            outputs.append(.itemsEnded(entry.key, error))
        case .newEcho, .bareEcho:
            entries[stream] = nil
        }
        return true
    }

    private func receive(
        _ byteCount: Int, on stream: StreamID, of service: ServiceStream, open: (inout ByteBuffer) -> Void
    ) {
        do throws(CreditError) {
            let before = service.received
            try service.receive(byteCount, at: arrival)
            service.fill(open)
            touched.insert(stream)
            account(from: before, to: service.received)
            if receipts.undrained > Credit.heldByteCount || connectionHeld.isExceeded { throw .exceeded }
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

    /// A grant first means that the caller speaks credit.
    private static func echo(firstPacket body: ByteBuffer, _ type: BodyType) -> End {
        guard type == .json, let json = try? JSONValue(parsing: body), json["credit"] != nil else {
            return .bareEcho
        }
        return .service(ServiceStream(isOpener: false, localEnd: .echo))
    }

    // MARK: What we open

    /// Opens a stream with credit; an echo's caller says so with its first packet.
    func openService(_ service: ServiceRequest) throws(MuxRPCError) -> StreamKey {
        let stream = try secure.muxrpc.open(.duplex, service.method, service.arguments)
        let local = ServiceStream(isOpener: true, localEnd: .connected)
        if service == .echo { send(grants: local.openingGrant(), on: stream) }
        return insert(.service(local), on: stream)
    }

    /// Opens a stream whose packets the owner wants to see one by one.
    func openItems(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue]
    ) throws(MuxRPCError) -> StreamKey {
        insert(.items, on: try secure.muxrpc.open(kind, name, arguments))
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
    }

    /// Ends a stream in the middle, with words for the other side.
    func abort(_ key: StreamKey, message: String) {
        guard entries[key.stream]?.key == key else { return }
        secure.muxrpc.fail(key.stream, message: message)
        forget(key.stream, .local(message))
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
        while let stream = touched.popFirst() {
            guard let entry = entries[stream], case .service(let service) = entry.end else { continue }
            if let bytes = service.takeIncoming() { report(.received(bytes), entry.key) }
            if service.hasReceivedEnd, !service.hasReportedEnd, service.localEnd != .connecting {
                service.hasReportedEnd = true
                if service.localEnd == .echo { service.offerEnd() } else { report(.receivedEnd, entry.key) }
            }
            pump(stream, service)
        }
        guard receipts.isGrantDue else { return }
        for stream in owing {
            guard case .service(let service)? = entries[stream]?.end else { continue }
            grant(of: service, on: stream) { $0.grantBack() }
        }
    }

    /// The session is over: every stream on it has ended in the middle.
    func abandon() {
        for (stream, entry) in entries {
            switch entry.end {
            case .service(let service):
                if let bytes = service.takeIncoming() { report(.received(bytes), entry.key) }
                forget(stream, service.isComplete ? nil : .truncated)
            case .items:
                outputs.append(.itemsEnded(entry.key, RemoteError("the session ended")))
            case .newEcho, .bareEcho: break
            }
        }
        entries = [:]
    }

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
        if service.owesWantsMore, let key = entries[stream]?.key {
            service.owesWantsMore = false
            report(.wantsMore, key)
        }
        if service.takeEnd() { send(CreditPacket.end.json, on: stream) }
        if service.isOpener, service.isComplete {
            if let bytes = service.takeIncoming(), let key = entries[stream]?.key {
                report(.received(bytes), key)
            }
            secure.muxrpc.end(stream)
            forget(stream, nil)
        }
    }

    private func drain(_ byteCount: Int, of service: ServiceStream, on stream: StreamID) {
        grant(of: service, on: stream) { $0.drained(byteCount) }
    }

    private func grant(
        of service: ServiceStream, on stream: StreamID, _ grants: (ServiceStream) -> [Int]
    ) {
        let before = service.received
        send(grants: grants(service), on: stream)
        account(from: before, to: service.received)
        if service.received.ungranted > 0 { owing.insert(stream) } else { owing.remove(stream) }
    }

    private func account(from before: ReceiveCredit?, to after: ReceiveCredit?) {
        receipts.change(from: before, to: after)
        connectionHeld.change(by: (after?.undrained ?? 0) - (before?.undrained ?? 0))
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
        guard let entry = entries.removeValue(forKey: stream), case .service(let service) = entry.end else {
            return
        }
        credit.change(from: service.credit.unreturned, to: 0)
        account(from: service.received, to: nil)
        owing.remove(stream)
        touched.formUnion(waitingForCredit)
        guard service.localEnd != .echo else { return }
        report(
            .closed(failure, sent: service.sentByteCount, received: service.receivedByteCount), entry.key)
    }

    private func report(_ event: ServiceEvent, _ key: StreamKey) {
        outputs.append(.service(key, event))
    }
}
