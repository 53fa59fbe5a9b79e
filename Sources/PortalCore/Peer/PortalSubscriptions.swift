internal import MuxRPC
internal import NIOCore

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

    struct Subscription {
        let stream: StreamID
        let kind: Kind
        /// What the subscriber knows; `nil` before the first list.
        var version: Int?
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

    private let shortestInterval: TimeAmount
    private var interval: TimeAmount
    private var state = State.current
    private var lastUpdate = NIODeadline.uptimeNanoseconds(0)
    private var immediateListCount = 0
    var all: [Subscription] = []

    init(interval: TimeAmount) {
        shortestInterval = interval
        self.interval = interval
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

    mutating func becameStale() {
        if case .current = state, !all.isEmpty { state = .stale }
    }

    mutating func wait() { state = .waiting }

    mutating func updated(at now: NIODeadline, listing count: Int) {
        state = .current
        listed(count, at: now)
    }

    /// So many ids were told.
    mutating func listed(_ count: Int, at now: NIODeadline) {
        lastUpdate = now
        interval = min(shortestInterval + Self.pause * count, max(shortestInterval, Self.longestInterval))
    }

    /// Whether a new subscription is given its list at once; it counts where it is.
    mutating func takesListAtOnce() -> Bool {
        guard immediateListCount < Self.immediateListLimit else { return false }
        immediateListCount += 1
        return true
    }

    mutating func remove(_ stream: StreamID) { all.removeAll { $0.stream == stream } }

    mutating func removeAll() {
        all.removeAll()
        state = .current
    }
}
