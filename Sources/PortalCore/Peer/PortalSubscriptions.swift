internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// The lists that a connection has subscribed to, and when they are brought up to date.
///
/// A change makes them stale; they are updated once per interval at most, and not before the peer has read enough
/// of what it was sent before. What it missed meanwhile is not kept for it: the directory's log or list is.
struct PortalSubscriptions {
    /// What is listed, and how.
    enum Kind {
        /// `tunnel.endpoints`: the whole list at every change.
        case endpoints
        /// `room.attendants`: the list, then changes.
        case attendants
    }

    private struct Subscription {
        let stream: StreamID
        let kind: Kind
        /// What the subscriber knows; `nil` before the first list.
        var version: Int?
        /// Whether it was ended, because there is too much to list.
        var isOver = false
    }

    private enum State {
        case current
        /// There is something to tell when the interval is over.
        case stale
        /// The interval is over, and the peer has not read enough.
        case waiting
    }

    /// How much longer the next update waits for every id that the last one told, and how long at most.
    ///
    /// A whole list goes to every subscriber at every change: a thousand that come in one after another would
    /// otherwise make the portal send half a gigabyte a second.
    private static let pause = TimeAmount.milliseconds(10)
    private static let longestInterval = TimeAmount.seconds(10)

    /// How many lists a connection is given at once; who subscribes over and over waits for the next update.
    ///
    /// JavaScript clients open one or two, and use nothing before the first list.
    private static let immediateListLimit = 2

    private let peer: PortalPeer
    private let shortestInterval: TimeAmount
    private var interval: TimeAmount
    private var state = State.current
    private var lastUpdate = NIODeadline.uptimeNanoseconds(0)
    private var immediateListCount = 0
    private var all: [Subscription] = []

    init(of peer: PortalPeer) {
        self.peer = peer
        shortestInterval = peer.settings.attendanceInterval
        interval = shortestInterval
    }

    /// When an update is due.
    var deadline: NIODeadline? {
        guard case .stale = state else { return nil }
        return lastUpdate + interval
    }

    /// Whether an update is due as soon as the peer has read enough.
    var isWaiting: Bool {
        guard case .waiting = state else { return false }
        return true
    }

    /// Whether the peer may have one more.
    var hasRoom: Bool { all.count < peer.settings.subscriptionLimit }

    /// Begins a subscription, with the list at once or at the next update.
    mutating func begin(on stream: StreamID, _ kind: Kind) {
        var subscription = Subscription(stream: stream, kind: kind, version: nil)
        let isListedNow = immediateListCount < Self.immediateListLimit
        if isListedNow {
            immediateListCount += 1
            listed(tell(&subscription), at: peer.now)
        }
        guard !subscription.isOver else { return }
        all.append(subscription)
        if !isListedNow { becameStale() }
    }

    /// Attendance has changed.
    mutating func becameStale() {
        if case .current = state, !all.isEmpty { state = .stale }
    }

    /// Tells every subscriber what it does not know yet, or waits until the peer has read enough.
    mutating func update(at now: NIODeadline) {
        guard peer.session.outboundByteCount <= peer.settings.subscriberByteCount else {
            state = .waiting
            return
        }
        var listedCount = 0
        for index in all.indices { listedCount += tell(&all[index]) }
        all.removeAll(where: \.isOver)
        state = .current
        listed(listedCount, at: now)
    }

    /// So many ids were told.
    private mutating func listed(_ count: Int, at now: NIODeadline) {
        lastUpdate = now
        interval = min(
            shortestInterval + Self.pause * count, max(shortestInterval, Self.longestInterval))
    }

    /// Tells a subscriber what it does not know yet; how many ids that took.
    private func tell(_ subscription: inout Subscription) -> Int {
        let known = subscription.kind == .attendants ? subscription.version : nil
        let (update, version) = peer.portal.update(for: peer.id, since: known)
        guard update != .tooMany else {
            subscription.isOver = true
            peer.end(subscription.stream, message: ErrorText.tooManyToList)
            return 0
        }
        guard version != subscription.version else { return 0 }
        subscription.version = version
        switch (update, subscription.kind) {
        case (.changes(let changes), .attendants):
            for change in changes { peer.send(change.json, on: subscription.stream) }
            return changes.count
        case (.state(let ids), .attendants):
            peer.send(["type": "state", "ids": .array(ids.map { .string($0) })], on: subscription.stream)
            return ids.count
        case (.state(let ids), .endpoints):
            peer.send(.array(ids.map { .string($0) }), on: subscription.stream)
            return ids.count
        case (.changes, .endpoints), (.tooMany, _):
            return 0  // is not asked for, and said above
        }
    }

    // MARK: Ends

    /// The peer has ended a stream.
    mutating func remove(_ stream: StreamID) { all.removeAll { $0.stream == stream } }

    /// Ends every subscription, plainly or with an error's message; what is open is forgotten by ``removeAll()``.
    func end(message: String? = nil) {
        for subscription in all { peer.end(subscription.stream, message: message) }
    }

    mutating func removeAll() {
        all.removeAll()
        state = .current
    }
}
