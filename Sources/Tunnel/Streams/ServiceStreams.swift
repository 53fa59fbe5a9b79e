internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// The streams of one session that speak credit: what arrives on them, what their local ends say, and whose turn it is.
///
/// ### Invariants
/// - A stream with bytes that it may not send yet has a turn in the ``CreditLedger``, and it has a ``StreamWaits`` entry
///   where it may send some, and waits for more.
/// - The ledger's sums are those of the streams.
/// - What a stream holds is paid for; one that cannot pay is over.
final class ServiceStreams {
    /// Pays for what a stream is to hold, whether there is room; streams of this session may be ended for it meanwhile.
    typealias Paying = (_ byteCount: Int, _ place: OpenHolding) -> Bool

    private let secure: SecureSession
    private let context: SessionContext
    private var streams: [StreamID: ServiceStream] = [:]
    private var touched: Set<StreamID> = []
    private var ledger = CreditLedger()
    /// Whether it is noted that some wait that were not looked at in the last round.
    private var hasNotedRound = false
    /// Whose pool says whether windows may grow.
    var payer: Payer
    /// When the bytes arrived that are being taken.
    private(set) var arrival = NIODeadline.uptimeNanoseconds(0)

    init(secure: SecureSession, payer: Payer, in context: SessionContext) {
        self.secure = secure
        self.payer = payer
        self.context = context
    }

    var count: Int { streams.count }

    /// Whether the peer does what none does that is honest.
    var areAbused: Bool { ledger.isAbused }

    /// Bytes have arrived, which are about to be taken.
    func arrived(at now: NIODeadline) { arrival = now }

    func insert(_ service: ServiceStream) { streams[service.key.stream] = service }

    /// Whether the stream is one of these.
    func contains(_ stream: StreamID) -> Bool { streams[stream] != nil }

    /// Whether it is, and not an earlier one of that number.
    func contains(_ key: StreamKey) -> Bool { service(key) != nil }

    private func service(_ key: StreamKey) -> ServiceStream? {
        guard let service = streams[key.stream], service.key == key else { return nil }
        return service
    }

    // MARK: From the other side

    /// Takes bytes, which `open` appends to the buffer that it is lent; `false` where the stream is none of these.
    func receive(
        _ byteCount: Int, on stream: StreamID, paying pay: Paying, open: (inout ByteBuffer) -> Void
    ) -> Bool {
        guard let service = streams[stream] else { return false }
        do throws(CreditError) {
            let arrival = arrival
            try ledger.receiving(service) { service throws(CreditError) in
                try service.receive(byteCount, at: arrival)
            }
            let isSparse = service.received.pace.isSparse
            context.inward.note(service.key, isSparse: isSparse, at: arrival)
            if ledger.holdsTooMuch { throw .exceeded }
            let held = service.heldByteCount(with: byteCount)
            guard held <= service.place.byteCount || pay(held, service.place.open) else {
                abort(stream, message: ErrorText.heldTooMuch)
                return true
            }
            service.fill(byteCount, open)
            touched.insert(stream)
        } catch {
            breach(error, on: stream)
        }
        return true
    }

    /// Takes what came that is no bytes.
    func receive(_ body: ByteBuffer, _ type: BodyType, on stream: StreamID) {
        guard let service = streams[stream] else { return }
        do throws(CreditError) {
            guard type == .json, let json = try? JSONValue(body: body) else { throw .badPacket }
            let packet = try CreditPacket(json)
            if case .grant(let byteCount) = packet { ledger.noteGrant(of: byteCount, at: arrival) }
            let arrival = arrival
            try ledger.sending(service) { service throws(CreditError) in
                try service.receive(packet, at: arrival)
            }
            touched.insert(stream)
        } catch {
            breach(error, on: stream)
        }
    }

    /// The other side has ended a stream; `false` where it is none of these.
    func receiveEnd(_ error: RemoteError?, on stream: StreamID) -> Bool {
        guard let service = streams[stream] else { return false }
        let failure: StreamFailure? =
            if let error { .remote(error.message) } else { service.isComplete ? nil : .truncated }
        forget(stream, failure)
        return true
    }

    private func breach(_ error: CreditError, on stream: StreamID) {
        secure.muxrpc.fail(stream, message: ErrorText.credit)
        forget(stream, .credit(error))
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
        pump(service)
        service.owesWantsMore = service.isBacklogged
        return !service.isBacklogged
    }

    /// It is the turn of a stream, if it is there yet.
    func takeTurn(_ key: StreamKey, sending byteCount: Int) {
        guard let service = service(key) else { return }
        let before = service.sentByteCount
        pump(service, atMost: byteCount)
        context.outlet.turns.sent(service.sentByteCount - before)
        touched.insert(key.stream)
    }

    func offerEnd(on key: StreamKey) {
        guard let service = service(key) else { return }
        service.offerEnd()
        pump(service)
    }

    func drained(_ byteCount: Int, on key: StreamKey) {
        guard let service = service(key) else { return }
        drain(byteCount, of: service)
        touched.insert(key.stream)
    }

    /// Ends a stream in the middle, with words for the other side; `false` where it is none of these.
    @discardableResult
    func abort(_ key: StreamKey, message: String) -> Bool {
        guard service(key) != nil else { return false }
        abort(key.stream, message: message)
        return true
    }

    private func abort(_ stream: StreamID, message: String) {
        secure.muxrpc.fail(stream, message: message)
        forget(stream, .local(message))
    }

    /// Ends the streams of those of our services that are not to be used any more.
    func endServices(message: String, where isOver: (String) -> Bool) {
        for service in streams.values {
            if let name = service.name, isOver(name) { abort(service.key, message: message) }
        }
    }

    // MARK: Settling

    /// Hands on what arrived and sends what may be sent: once after every round of input.
    func settle(paying pay: Paying) {
        while let stream = touched.popFirst() { settle(stream, paying: pay) }
        ledger.beginRound()
        while let stream = ledger.next() {
            guard let service = streams[stream], service.isBacklogged else { continue }
            let before = service.unsentByteCount
            settle(stream, paying: pay)
            if service.unsentByteCount == before { ledger.lookedInVain() }
        }
        if ledger.isUnsettled, !hasNotedRound, let key = streams.first?.value.key {
            hasNotedRound = true
            context.waits.append(key, at: arrival)
        }
        grantBack()
        assertInvariants()
    }

    private func settle(_ stream: StreamID, paying pay: Paying) {
        guard let service = streams[stream] else { return }
        while let bytes = service.takeIncoming() { report(.received(bytes), service) }
        if service.hasReceivedEnd, !service.hasReportedEnd, service.localEnd != .connecting,
            service.hasHandedAll
        {
            service.hasReportedEnd = true
            if service.localEnd == .echo { service.offerEnd() } else { report(.receivedEnd, service) }
        }
        pump(service)
        guard streams[stream] != nil else { return }
        service.place.open.holding.used(at: arrival)
        guard !pay(service.heldByteCount, service.place.open) else { return }
        abort(stream, message: ErrorText.heldTooMuch)
    }

    /// Keeps nothing back where the other side may need it.
    private func grantBack() {
        guard ledger.isGrantDue else { return }
        // Small grants cost the other side as much as large ones, so they are given when nothing else is left.
        for least in [SendTurns.leastByteCount, 1] where ledger.isGrantDue {
            for stream in ledger.owingStreams {
                guard let service = streams[stream] else { continue }
                let withholding = ledger.mayWithhold
                let received = service.received
                guard received.ungranted - (withholding ? received.withheld : 0) >= least else { continue }
                grant(of: service) { $0.grantBack(withholding: withholding) }
            }
        }
    }

    /// A stream has waited for more credit: what it has is used now.
    func waitIsOver(_ key: StreamKey, at now: NIODeadline) {
        arrival = max(arrival, now)
        hasNotedRound = false
        guard let service = service(key), service.wait != nil else { return }
        service.wait = .over
        touched.insert(key.stream)
    }

    private func pump(_ service: ServiceStream) {
        pump(service, atMost: context.outlet.room)
    }

    /// Sends what the stream may of what it has, up to that many bytes; with more it waits for its turn.
    private func pump(_ service: ServiceStream, atMost byteCount: Int) {
        let stream = service.key.stream
        var isOver = service.wait == .over
        var room = byteCount
        let now = context.outlet.now
        while service.isBacklogged {
            let allowance = allowance(for: service, isOverdue: isOver)
            guard room > 0 || allowance == 0 else { return awaitTurn(service, behind: byteCount) }
            let limit = min(allowance, room)
            guard let bytes = ledger.sending(service, { $0.takeSendable(limit: limit, at: now) })
            else { break }
            context.outward.note(service.key, isSparse: service.sending.pace.isSparse, at: now)
            if isOver { (isOver, service.wait) = (false, nil) }
            room -= bytes.readableBytes
            secure.send(bytes, on: stream)
            if service.localEnd == .echo {
                drain(bytes.readableBytes, of: service)
                _ = service.takeIncoming()
            }
        }
        if service.isBacklogged { return wait(service) }
        ledger.waitsNoMore(stream)
        if service.owesWantsMore {
            service.owesWantsMore = false
            report(.wantsMore, service)
        }
        if service.localEnd == .echo, service.hasReceivedEnd, service.hasHandedAll { service.offerEnd() }
        if service.takeEnd() { send(.end, on: stream) }
        if service.isOpener, service.isComplete {
            secure.muxrpc.end(stream)
            forget(stream, nil)
        }
    }

    /// What a stream may send now; one that has waited long enough for what is its own is held by nothing else.
    private func allowance(for service: ServiceStream, isOverdue: Bool) -> Int {
        let allowed = ledger.allowance(for: service, isOverdue: isOverdue)
        guard allowed > 0 else { return allowed }
        let room = service.room(isShared: context.outward.isShared(at: context.outlet.now))
        return min(allowed, max(room, isOverdue ? PathProbe.leastByteCount : 0))
    }

    /// Has a stream wait for its turn, in front of the others where it had none before and has little.
    private func awaitTurn(_ service: ServiceStream, behind byteCount: Int) {
        ledger.waitsNoMore(service.key.stream)
        let isSparse = byteCount == 0 && service.unsentByteCount <= OutboundTurns.turnByteCount
        context.outlet.turns.wait(service.key, isSparse: isSparse)
    }

    /// Has a stream wait for credit, and for a little while only where it has some.
    private func wait(_ service: ServiceStream) {
        ledger.wait(service.key.stream)
        guard service.wait == nil, allowance(for: service, isOverdue: true) > 0 else { return }
        service.wait = .begun
        context.waits.append(service.key, at: arrival)
    }

    private func drain(_ byteCount: Int, of service: ServiceStream) {
        let isShared = context.inward.isShared(at: arrival)
        grant(of: service) {
            $0.drained(byteCount, isShared: isShared) { [payer] in !payer.isMemoryShort }
        }
    }

    private func grant(of service: ServiceStream, _ grants: (ServiceStream) -> [Int]) {
        for grant in ledger.receiving(service, grants) { send(.grant(grant), on: service.key.stream) }
    }

    /// A stream that is not open any more takes nothing: its end is already on the way up.
    private func send(_ packet: CreditPacket, on stream: StreamID) {
        try? secure.muxrpc.send(packet.json, on: stream)
    }

    // MARK: Ends

    /// The session is over: every stream on it has ended in the middle.
    func abandon() {
        for (stream, service) in streams { forget(stream, service.isComplete ? nil : .truncated) }
    }

    /// Hands the local end what is left for it, and says how the stream has ended.
    private func forget(_ stream: StreamID, _ failure: StreamFailure?) {
        guard let service = streams.removeValue(forKey: stream) else { return }
        if service.localEnd != .echo {
            while let bytes = service.takeIncoming(last: true) { report(.received(bytes), service) }
            if failure == nil, !service.hasReportedEnd { report(.receivedEnd, service) }
        }
        ledger.remove(service)
        // What the local end still has is paid for until it is rid of it: the place goes with it.
        _ = service.place.open.holding.pay(for: service.leftByteCount)
        guard service.localEnd != .echo else { return }
        report(.closed(failure, sent: service.sentByteCount, received: service.receivedByteCount), service)
    }

    private func report(_ event: ServiceEvent, _ service: ServiceStream) {
        context.outputs.append(.service(service.key, event))
    }

    /// In debug builds, and not where looking at all of them would take long.
    private func assertInvariants() {
        assert(
            {
                guard streams.count <= 32 else { return true }
                ledger.assertInvariants(streams.values)
                for service in streams.values { service.assertInvariant() }
                return true
            }())
    }
}
