internal import Account
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// A call of the peer that has come to no endpoint yet, or may still go to another one.
struct ConnectAttempt {
    /// What the other machines are asked for.
    enum Search: Equatable {
        /// Nothing: there are none, or all was said.
        case none
        /// They may be asked yet.
        case possible
        /// They are asked.
        case underWay(NeighbourLookUp)
    }

    /// What the client asked for.
    let request: ConnectRequest
    /// Where it asked.
    let stream: StreamID
    /// Who announced the token here too, the next to be asked in front.
    var others: [ConnectionID]
    /// When no other announcer is asked any more.
    var end: NIODeadline
    /// The tunnel to the endpoint that is asked; `nil` while the call waits for other machines.
    var tunnel: TunnelID?
    var search = Search.none
    /// Whether the tunnel leads where the look-up said.
    var isReached = false
    /// When the next is asked because this one is silent; `nil` where the client named the key that it has proved.
    var silentUntil: NIODeadline?
    /// What the client has sent so far.
    var early: [RelayedBatch] = []
    var earlyByteCount = 0
    /// The words of the one that was asked last, and has refused.
    var refusal: String?
    /// For what the attempt takes.
    let charge: Charge
    /// For the place among those that wait for other machines.
    var place: Charge?

    /// Whether it waits until the other machines have said something.
    var isWaiting: Bool { tunnel == nil }
    /// Whether other machines are asked, or one of them is reached: what they have named may still change.
    var isAskedElsewhere: Bool { if case .underWay = search { true } else { isReached } }
    /// Whether what the client sends may be needed once more.
    var keepsEarly: Bool { isWaiting || request.isByToken || isAskedElsewhere || !others.isEmpty }
}

/// The calls that may still go to another announcer, until the one that was asked has sent something.
///
/// The holders of an invite can announce its tokens, and refuse, or be silent. So the next announcer is asked in its
/// place, with what the client has sent; nobody waits longer for an honest one, who is usually alone. Behind those that
/// are announced here come those of other machines, where there are any.
///
/// ### Invariants
/// - A call that waits has a look-up under way.
/// - Every look-up is ended, once, when its call is forgotten or has come to an endpoint.
struct ConnectAttempts {
    /// How many announcers are asked here for one call.
    static let tryLimit = 4
    /// How long after a call, or after other machines were first asked, another announcer is asked.
    static let time = TimeAmount.seconds(3)
    /// How long an announcer may be silent before the next is asked.
    private static let silence = TimeAmount.milliseconds(750)
    /// How much of what a client sends is kept to be sent again, in bytes; a handshake's first message takes 107.
    static let earlyByteCount = 4 << 10
    /// The same where other machines are asked, which takes longer.
    static let lookUpByteCount = 64 << 10
    /// How many calls of one connection may wait for other machines.
    static let lookUpLimit = 256

    private let neighbours: (any PortalNeighbours)?
    private var attempts: [StreamID: ConnectAttempt] = [:]
    private var byTunnel: [TunnelID: StreamID] = [:]
    private var byLookUp: [UInt64: StreamID] = [:]
    private var tickets: [StreamID: UInt64] = [:]
    private var lastTicket: UInt64 = 0
    /// No later than the first time at which something has to be seen to.
    private(set) var deadline: NIODeadline?

    init(neighbours: (any PortalNeighbours)? = nil) { self.neighbours = neighbours }

    /// Whether none is under way: what every packet's path asks.
    var isEmpty: Bool { attempts.isEmpty }
    /// Whether other machines can be asked.
    var hasNeighbours: Bool { neighbours != nil }
    /// The streams of the calls that wait for other machines.
    var waitingStreams: [StreamID] {
        attempts.values.filter(\.isWaiting).map(\.stream).sorted { $0.sentNumber > $1.sentNumber }
    }

    /// Whether the call on a stream waits for other machines.
    func isWaiting(_ stream: StreamID) -> Bool { !attempts.isEmpty && attempts[stream]?.isWaiting == true }

    subscript(stream: StreamID) -> ConnectAttempt? { attempts[stream] }

    subscript(tunnel: TunnelID) -> ConnectAttempt? { byTunnel[tunnel].flatMap { attempts[$0] } }

    /// The attempt that a step of a look-up is for.
    subscript(ticket ticket: UInt64) -> ConnectAttempt? { byLookUp[ticket].flatMap { attempts[$0] } }

    // MARK: Calls come and go

    /// A call was made to an endpoint that is announced here, and can go to another one too.
    mutating func begin(
        _ request: ConnectRequest, on stream: StreamID, over tunnel: TunnelID, others: [ConnectionID],
        account: Account, at now: NIODeadline
    ) {
        guard !others.isEmpty || hasNeighbours else { return }
        guard let charge = account.charge(RelayedBatch.overheadByteCount) else { return }
        var attempt = ConnectAttempt(
            request: request, stream: stream, others: Array(others.prefix(Self.tryLimit - 1)),
            end: now + Self.time, charge: charge)
        attempt.search = hasNeighbours ? .possible : .none
        keep(attempt, over: tunnel, at: now)
    }

    /// Keeps a call, which goes to the endpoint of a tunnel now.
    mutating func keep(_ attempt: ConnectAttempt, over tunnel: TunnelID, at now: NIODeadline) {
        guard !attempt.others.isEmpty || attempt.search != .none else { return drop(attempt) }
        var attempt = attempt
        if let former = attempt.tunnel { byTunnel[former] = nil }
        attempt.tunnel = tunnel
        let isLeftWhenSilent = attempt.request.announcer == nil && attempt.keepsEarly
        attempt.silentUntil = isLeftWhenSilent ? min(now + Self.silence, attempt.end) : nil
        byTunnel[tunnel] = attempt.stream
        store(attempt)
    }

    /// Keeps a call as it is now, which has to be seen to at its time.
    mutating func store(_ attempt: ConnectAttempt) {
        attempts[attempt.stream] = attempt
        deadline = deadline.earlier(attempt.silentUntil ?? attempt.end)
    }

    /// The announcer has sent something, or the tunnel is forgotten: no other is asked.
    mutating func remove(_ tunnel: TunnelID) {
        guard let stream = byTunnel[tunnel], let attempt = attempts[stream] else { return }
        drop(attempt)
    }

    /// Forgets a call.
    mutating func drop(_ attempt: ConnectAttempt) {
        attempts[attempt.stream] = nil
        if let tunnel = attempt.tunnel { byTunnel[tunnel] = nil }
        if let ticket = tickets.removeValue(forKey: attempt.stream) { byLookUp[ticket] = nil }
        if case .underWay(let lookUp) = attempt.search { neighbours?.end(lookUp) }
        if attempts.isEmpty { deadline = nil }
    }

    mutating func removeAll() {
        for attempt in attempts.values { drop(attempt) }
    }

    // MARK: Other machines

    /// Asks other machines for the target of a call, or for nobody's where `isMiss`; `nil` where too much is asked.
    ///
    /// The call waits from then on, unless it has a tunnel, which it keeps. Where `place` is `nil` there is none for it.
    mutating func lookUp(
        _ attempt: ConnectAttempt, isMiss: Bool = false, as caller: NeighbourCaller, place: Charge?,
        tellingBy mailbox: any RelayMailbox, at now: NIODeadline
    ) -> Bool {
        guard let neighbours, let place, byLookUp.count < Self.lookUpLimit else { return false }
        lastTicket += 1
        let ticket = lastTicket
        var attempt = attempt
        attempt.place = place
        attempt.end = now + Self.time
        attempt.silentUntil = nil
        let target = isMiss ? .nobody : NeighbourTarget(attempt.request)
        attempt.search = .underWay(
            neighbours.lookUp(target, for: caller) { mailbox.post(.lookedUp(ticket: ticket, $0)) })
        tickets[attempt.stream] = ticket
        byLookUp[ticket] = attempt.stream
        store(attempt)
        return true
    }

    /// A call has no tunnel any more, and waits for what other machines say.
    mutating func wait(_ attempt: ConnectAttempt, insteadOf tunnel: TunnelID) {
        byTunnel[tunnel] = nil
        var attempt = attempt
        attempt.tunnel = nil
        attempt.silentUntil = nil
        store(attempt)
    }

    /// What the look-up has said last could not be reached: the next step is awaited.
    func failed(_ attempt: ConnectAttempt, _ failure: NeighbourFailure) {
        if case .underWay(let lookUp) = attempt.search { neighbours?.failed(lookUp, failure) }
    }

    // MARK: What the client sends

    /// The client has sent something to an announcer; what is too much to be sent again, or is not paid for by `account`,
    /// decides for whom was asked.
    mutating func note(_ batch: borrowing RelayedBatch, on tunnel: TunnelID, account: Account) {
        guard let stream = byTunnel[tunnel], let attempt = attempts[stream], attempt.keepsEarly else {
            return
        }
        let limit = attempt.isAskedElsewhere ? Self.lookUpByteCount : Self.earlyByteCount
        guard attempt.earlyByteCount + batch.packets.byteCount <= limit,
            keepEarly(batch.copied(), on: stream, account: account)
        else { return drop(attempt) }
    }

    /// Keeps what a client has sent; whether it is little enough, and `account` pays for it.
    mutating func keepEarly(_ batch: consuming RelayedBatch, on stream: StreamID, account: Account) -> Bool {
        guard var attempt = attempts.removeValue(forKey: stream) else { return false }
        defer { attempts[stream] = attempt }
        attempt.earlyByteCount += batch.packets.byteCount
        guard attempt.earlyByteCount <= Self.lookUpByteCount, let charge = account.charge(batch.costByteCount)
        else { return false }
        batch.charge = charge
        if batch.isSmall, var last = attempt.early.popLast() {
            let hasJoined = last.join(batch)
            attempt.early.append(last)
            if hasJoined { return true }
        }
        attempt.early.append(batch)
        return true
    }

    // MARK: Time

    /// The calls that have to be seen to: their announcers are silent, or their time is over.
    mutating func takeDue(at now: NIODeadline) -> [ConnectAttempt] {
        guard let look = deadline, look <= now else { return [] }
        let due = attempts.values.filter { ($0.silentUntil ?? $0.end) <= now }
            .sorted { $0.stream.sentNumber > $1.stream.sentNumber }
        for attempt in due where attempt.silentUntil != nil { attempts[attempt.stream]?.silentUntil = nil }
        deadline = attempts.values.map { $0.silentUntil ?? $0.end }.filter { $0 > now }.min()
        return due
    }
}
