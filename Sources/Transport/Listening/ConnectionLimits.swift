internal import Account
internal import Logging
public import NIOCore
internal import NIOPosix
internal import Sodium
internal import Synchronization

/// Who may connect to a portal, on all its addresses, and whose handshake is next.
///
/// A source has its share of all connections, and all sources in turn a quarter of each event loop's time for handshakes.
/// Beyond its share a connection is tried all the same, a few in a second: it may be that of a member whose address a
/// stranger has too.
public final class ConnectionLimits: Sendable {
    /// What the owner lets one source have at most; without, it is its share that decides.
    public struct Ceilings: Equatable, Sendable {
        /// Connections of one source at a time.
        public var connectionsPerSource: Int?
        /// Handshakes that one source may begin in a second.
        public var handshakesPerSecond: Int?

        /// These, or none.
        public init(connectionsPerSource: Int? = nil, handshakesPerSecond: Int? = nil) {
            self.connectionsPerSource = connectionsPerSource
            self.handshakesPerSecond = handshakesPerSecond
        }
    }

    /// What an owner decides, and what follows from the machine.
    public struct Settings: Sendable {
        /// How many connections there may be.
        public var connectionCount: Int
        /// What one source may have at most.
        public var ceilings: Ceilings
        /// Whose addresses stand for many others: each connection from there is a source of its own.
        public var trustedProxies: [AddressRange]

        /// These.
        public init(
            connectionCount: Int, ceilings: Ceilings = Ceilings(), trustedProxies: [AddressRange] = []
        ) {
            self.connectionCount = connectionCount
            self.ceilings = ceilings
            self.trustedProxies = trustedProxies
        }
    }

    /// How many connections may be on trial at most: as many as twenty draws a second keep open.
    private static let trialLimit = 256

    fileprivate struct State {
        var places: ConnectionPlaces
        var trials: TrialLot
        var seats: [Int: ConnectionSeat] = [:]
        var lastNumber = 0
        var isDrawScheduled = false
    }

    private let proxies: Mutex<[AddressRange]>
    private let drawLoop: any EventLoop
    private let queues: [ObjectIdentifier: NIOLoopBoundBox<HandshakeQueue?>]
    private let proxiedCount = Atomic(0)
    private let state: Mutex<State>

    /// Limits for the connections on these event loops; lots are drawn from `random`.
    public init(
        _ settings: Settings, group: any EventLoopGroup,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        proxies = Mutex(settings.trustedProxies)
        drawLoop = group.next()
        var queues: [ObjectIdentifier: NIOLoopBoundBox<HandshakeQueue?>] = [:]
        for loop in group.makeIterator() {
            queues[ObjectIdentifier(loop)] = .makeEmptyBox(eventLoop: loop)
        }
        self.queues = queues
        let (count, now) = (max(1, settings.connectionCount), NIODeadline.now())
        let trialCount = min(Self.trialLimit, max(1, count / ConnectionPlaces.trialDivisor))
        state = Mutex(
            State(
                places: ConnectionPlaces(count: count, ceilings: settings.ceilings, at: now),
                trials: TrialLot(limit: trialCount, random: random, at: now)))
    }

    /// Has other limits count for all that happens from now on; connections that stand stay.
    public func update(_ ceilings: Ceilings, trustedProxies: [AddressRange]) {
        proxies.withLock { $0 = trustedProxies }
        state.withLock { $0.places.update(ceilings, at: .now()) }
    }

    // MARK: Coming and going

    /// Takes a new connection on, with a place or on trial.
    ///
    /// - Throws: ``Refusal``.
    func enter(from address: SocketAddress?, on eventLoop: any EventLoop) throws(Refusal) -> ConnectionSeat {
        let source = source(of: address)
        if queue(on: eventLoop)?.isTooLong(for: source) == true { throw .tooManyHandshakes }
        let (seat, leaving) = state.withLock { $0.enter(from: source, in: self, at: .now()) }
        for seat in leaving { seat.giveWay() }
        if leaving.contains(where: { $0 === seat }) { throw .tooManyOnTrial }
        return seat
    }

    private func source(of address: SocketAddress?) -> SourceAddress {
        guard let address, proxies.withLock({ $0.contains { $0.contains(address) } }) else {
            return SourceAddress(address)
        }
        return .proxied(proxiedCount.wrappingAdd(1, ordering: .relaxed).newValue)
    }

    /// A member was recognised on trial; whether there is a place for it.
    func keep(_ seat: ConnectionSeat, as member: PublicKey) -> Bool {
        state.withLock { state in
            guard state.places.open(seat.number, as: member) else { return false }
            state.trials.leave(seat.number)
            return true
        }
    }

    func leave(_ seat: ConnectionSeat) {
        state.withLock { state in
            state.seats[seat.number] = nil
            state.trials.leave(seat.number)
            state.places.close(seat.number, at: .now())
        }
    }

    // MARK: Draws

    /// The first message of a connection on trial is here.
    func awaitDraw(_ seat: ConnectionSeat) {
        state.withLock { $0.trials.spoke(seat.number) }
        scheduleDraw()
    }

    private func scheduleDraw() {
        let due = state.withLock { state -> NIODeadline? in
            guard !state.isDrawScheduled, let due = state.trials.nextDraw else { return nil }
            state.isDrawScheduled = true
            return due
        }
        guard let due else { return }
        drawLoop.scheduleTask(deadline: due) { [weak self] () -> Void in self?.draw() }
    }

    private func draw() {
        let seat = state.withLock { state -> ConnectionSeat? in
            state.isDrawScheduled = false
            return state.trials.draw(at: .now()).flatMap { state.seats[$0] }
        }
        seat?.drawn()
        scheduleDraw()
    }

    // MARK: Turns

    /// Waits for a turn on this loop, which is the caller's.
    func awaitTurn(
        _ seat: ConnectionSeat, on eventLoop: any EventLoop, _ waiter: @escaping HandshakeQueue.Waiter
    ) {
        guard let queue = queue(on: eventLoop) else { return waiter(true) }
        queue.append(waiter, from: seat.source)
    }

    private func queue(on eventLoop: any EventLoop) -> HandshakeQueue? {
        guard let box = queues[ObjectIdentifier(eventLoop)] else { return nil }
        let queue = box.value ?? HandshakeQueue(eventLoop: eventLoop)
        box.value = queue
        return queue
    }
}

extension ConnectionLimits {
    /// Why a connection is closed as soon as it is accepted.
    enum Refusal: Error {
        /// So many handshakes wait that this one would take too long.
        case tooManyHandshakes
        /// So many connections that have no place are tried that there is no trying this one.
        case tooManyOnTrial
    }
}

extension ConnectionLimits.State {
    /// Finds a place, or a trial, for a new connection; who has to go for it, perhaps itself.
    fileprivate mutating func enter(
        from source: SourceAddress, in limits: ConnectionLimits, at now: NIODeadline
    ) -> (ConnectionSeat, leaving: [ConnectionSeat]) {
        lastNumber += 1
        let number = lastNumber
        let admission: ConnectionPlaces.Admission
        do {
            // In a scope of its own: a second reference would make the next change copy all of them.
            let seats = seats
            admission = places.open(number, from: source, at: now) { seats[$0]?.isIdle == true }
        }
        let displaced = admission.refusal.flatMap { _ in trials.enter(number) }
        let seat = ConnectionSeat(number, from: source, onTrialFor: admission.refusal, in: limits)
        seats[number] = seat
        let leaving = [admission.leaving, displaced].compactMap(\.self)
        return (seat, leaving.compactMap { seats.removeValue(forKey: $0) })
    }
}
