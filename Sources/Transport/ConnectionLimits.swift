package import NIOCore
package import PortalCore
internal import Synchronization
internal import TypedSodium

/// Who may connect to a portal, on all its addresses, and whose handshake is next: ``ConnectionAdmission`` decides behind
/// a lock, and ``HandshakeQueue`` on each event loop.
package final class ConnectionLimits: Sendable {
    package typealias Ceilings = ConnectionAdmission.Ceilings
    package typealias Settings = ConnectionAdmission.Settings

    /// Why a connection is closed as soon as it is accepted.
    package enum Refusal: Error {
        /// So many handshakes wait that this one would take too long.
        case tooManyHandshakes
        /// So many connections that have no place are tried that there is no trying this one.
        case tooManyOnTrial
    }

    /// How many connections of proxies may have no header yet; of a small portal an eighth of all.
    private static let headerLimit = 1024

    private struct State {
        var admission: ConnectionAdmission
        var headerCount = 0
        var seats: [Int: ConnectionSeat] = [:]
        var isDrawScheduled = false
    }

    private let headerLimit: Int
    private let drawLoop: any EventLoop
    private let queues: [ObjectIdentifier: NIOLoopBoundBox<HandshakeQueue?>]
    private let state: Mutex<State>

    /// Limits for the connections on these event loops.
    package init(_ settings: Settings, group: any EventLoopGroup) {
        headerLimit = max(1, min(Self.headerLimit, settings.connectionCount / 8))
        drawLoop = group.next()
        var queues: [ObjectIdentifier: NIOLoopBoundBox<HandshakeQueue?>] = [:]
        for loop in group.makeIterator() {
            queues[ObjectIdentifier(loop)] = .makeEmptyBox(eventLoop: loop)
        }
        self.queues = queues
        let random = SystemRandomNumberGenerator()
        state = Mutex(State(admission: ConnectionAdmission(settings, random: random, at: .now())))
    }

    /// Has other limits count for all that happens from now on; connections that stand stay.
    package func update(_ ceilings: Ceilings, trustedProxies: [AddressRange]) {
        state.withLock { $0.admission.update(ceilings, trustedProxies: trustedProxies, at: .now()) }
    }

    // MARK: Coming and going

    /// Whether a connection from an address has to begin with a proxy's header.
    func isProxy(_ address: SocketAddress?) -> Bool {
        address.map { address in state.withLock { $0.admission.isProxy(address) } } ?? false
    }

    /// Takes one of the places for connections that wait for their header; ``leaveHeader()`` gives it back.
    func enterHeader() throws(ProxyHeaderError) {
        let hasPlace = state.withLock { state in
            guard state.headerCount < headerLimit else { return false }
            state.headerCount += 1
            return true
        }
        if !hasPlace { throw .tooMany }
    }

    /// The header is here, or the connection is over.
    func leaveHeader() { state.withLock { $0.headerCount -= 1 } }

    /// Takes a new connection on, with a place or on trial.
    ///
    /// - Throws: ``Refusal``.
    func enter(from address: SocketAddress?, on eventLoop: any EventLoop) throws(Refusal) -> ConnectionSeat {
        let source = state.withLock { $0.admission.source(of: address) }
        if queue(on: eventLoop)?.isTooLong(for: source) == true { throw .tooManyHandshakes }
        let (seat, leaving) = state.withLock { state in
            let entry: ConnectionAdmission.Entry
            do {
                // In a scope of its own: a second reference would make the next change copy all of them.
                let seats = state.seats
                entry = state.admission.enter(from: source, at: .now()) { seats[$0]?.isIdle == true }
            }
            let seat = ConnectionSeat(entry.number, from: source, onTrialFor: entry.refusal, in: self)
            state.seats[entry.number] = seat
            return (seat, leaving: entry.leaving.compactMap { state.seats.removeValue(forKey: $0) })
        }
        for seat in leaving { seat.giveWay() }
        if leaving.contains(where: { $0 === seat }) { throw .tooManyOnTrial }
        return seat
    }

    fileprivate func keep(_ seat: ConnectionSeat, as member: PublicKey) -> Bool {
        state.withLock { $0.admission.keep(seat.number, as: member) }
    }

    fileprivate func leave(_ seat: ConnectionSeat) {
        state.withLock { state in
            state.seats[seat.number] = nil
            state.admission.leave(seat.number, at: .now())
        }
    }

    // MARK: Draws

    /// The first message of a connection on trial is here.
    func awaitDraw(_ seat: ConnectionSeat) {
        state.withLock { $0.admission.spoke(seat.number) }
        scheduleDraw()
    }

    private func scheduleDraw() {
        let due = state.withLock { state -> NIODeadline? in
            guard !state.isDrawScheduled, let due = state.admission.nextDraw else { return nil }
            state.isDrawScheduled = true
            return due
        }
        guard let due else { return }
        drawLoop.scheduleTask(deadline: due) { [weak self] () -> Void in self?.draw() }
    }

    private func draw() {
        let seat = state.withLock { state -> ConnectionSeat? in
            state.isDrawScheduled = false
            return state.admission.draw(at: .now()).flatMap { state.seats[$0] }
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

/// What a connection has of a portal's ``ConnectionLimits``, until it is given back.
final class ConnectionSeat: ConnectionPlace {
    /// What the limits want of the connection, from any thread.
    struct Calls: Sendable {
        /// Whether nobody would miss it.
        var isIdle: @Sendable () -> Bool
        /// It was drawn: it may go on with its handshake.
        var drawn: @Sendable () -> Void
        /// It has to go, for somebody whose source has less.
        var giveWay: @Sendable () -> Void
    }

    private struct Connection {
        var calls: Calls?
        var hasToGo = false
    }

    fileprivate let number: Int
    /// Where the connection comes from.
    let source: SourceAddress
    /// Why it has no place, and has to be a member's to get one; `nil` where it has one.
    let refusal: ConnectionPlaces.Refusal?
    private let limits: ConnectionLimits
    private let connection = Mutex(Connection())

    fileprivate init(
        _ number: Int, from source: SourceAddress, onTrialFor refusal: ConnectionPlaces.Refusal?,
        in limits: ConnectionLimits
    ) {
        self.number = number
        self.source = source
        self.refusal = refusal
        self.limits = limits
    }

    var isOnTrial: Bool { refusal != nil }

    func keep(as member: PublicKey) -> Bool { limits.keep(self, as: member) }

    /// Gives everything back.
    func leave() { limits.leave(self) }

    // MARK: What the limits want

    /// Says what to call; at once, where it has to go already.
    func attach(_ calls: Calls) {
        let hasToGo = connection.withLock { connection in
            connection.calls = calls
            return connection.hasToGo
        }
        if hasToGo { calls.giveWay() }
    }

    fileprivate var isIdle: Bool { connection.withLock(\.calls)?.isIdle() == true }

    fileprivate func drawn() { connection.withLock(\.calls)?.drawn() }

    fileprivate func giveWay() {
        let calls = connection.withLock { connection in
            connection.hasToGo = true
            return connection.calls
        }
        calls?.giveWay()
    }
}
