internal import NIOCore

/// The way that a message came by, or goes.
package enum ClusterPath: Hashable, Sendable {
    /// NATS.
    case engine
    /// The control link of a pair.
    case link
}

/// Another machine, as this one knows it.
///
/// ### Invariants
/// - Only one that has answered a query of ours with its list is counted; nothing is done on the word of others.
struct Peer: Sendable {
    /// How far it is to be relied on.
    enum Standing: Equatable, Sendable {
        /// It was heard, and has not answered yet.
        case met
        /// It counts.
        case live
        /// Nothing was heard for a while: asked, not waited for.
        case suspect
    }

    /// The control link.
    enum Link: Equatable, Sendable {
        case down(since: NIODeadline, redialAt: NIODeadline, failures: Int)
        case dialling(since: NIODeadline, failures: Int)
        case up(heardAt: NIODeadline)
    }

    /// Nothing is heard for so long: suspect, by heartbeats; gone, by whatever comes on the link.
    static let silence = TimeAmount.seconds(3)
    /// One that does not answer with its list for so long is forgotten.
    static let meetingTime = TimeAmount.seconds(10)

    private static let redialTimes: [TimeAmount] = [
        .milliseconds(500), .seconds(1), .seconds(2), .seconds(4), .seconds(8),
    ]
    /// The machine that does not dial does so too where there is no link for so long.
    private static let patience = TimeAmount.seconds(5)

    let machine: MachineID
    let metAt: NIODeadline
    var heartbeat: Heartbeat
    private(set) var standing = Standing.met
    private(set) var link: Link
    /// What it has announced.
    var catalogue: Catalogue
    /// The list that is being fetched from it.
    var fetch: ListFetch?
    /// When its list may be asked for again.
    var fetchAt: NIODeadline
    /// When it last asked for ours.
    var askedAt: NIODeadline?

    private var heardAt: NIODeadline
    private var engineWindow: ReplayWindow?
    private var linkWindow: ReplayWindow?

    init(_ machine: MachineID, _ heartbeat: Heartbeat, catalogue: Catalogue, at now: NIODeadline) {
        self.machine = machine
        self.heartbeat = heartbeat
        self.catalogue = catalogue
        (metAt, heardAt, fetchAt) = (now, now, now)
        link = .down(since: now, redialAt: now, failures: 0)
    }

    var isCounted: Bool { standing != .met }
    /// Whether look-ups wait for it.
    var isAwaited: Bool { standing == .live && heartbeat.condition.contains(.serving) }
    var isLinked: Bool {
        guard case .up = link else { return false }
        return true
    }
    var hasEngine: Bool { heartbeat.condition.contains(.hasEngine) }

    /// The way to it, where there is one.
    func path(hasEngine: Bool) -> ClusterPath? {
        if hasEngine, self.hasEngine { return .engine }
        return isLinked ? .link : hasEngine ? .engine : nil
    }

    /// Whether a message with this number is no repetition.
    mutating func takes(_ number: UInt64, over path: ClusterPath) -> Bool {
        switch path {
        case .engine:
            if engineWindow == nil {
                engineWindow = ReplayWindow(first: number)
                return true
            }
            return engineWindow?.take(number) ?? false
        case .link:
            if linkWindow == nil {
                linkWindow = ReplayWindow(first: number)
                return true
            }
            return linkWindow?.take(number) ?? false
        }
    }

    /// A heartbeat came; whether a suspect is live again.
    mutating func hear(_ heartbeat: Heartbeat, at now: NIODeadline) -> Bool {
        self.heartbeat = heartbeat
        heardAt = now
        guard standing == .suspect else { return false }
        standing = .live
        return true
    }

    /// It has answered with its list.
    mutating func count() { if standing == .met { standing = .live } }

    /// Whether it becomes suspect now.
    mutating func isSilent(at now: NIODeadline) -> Bool {
        guard standing == .live, now - heardAt >= Self.silence else { return false }
        standing = .suspect
        return true
    }

    /// Whether it is gone: suspect, and its link is broken or silent; one that never answered is forgotten.
    func isGone(at now: NIODeadline) -> Bool {
        switch (standing, link) {
        case (.met, _): now - metAt >= Self.meetingTime
        case (.live, _): false
        case (.suspect, .up(let heardAt)): now - heardAt >= Self.silence
        case (.suspect, _): true
        }
    }

    // MARK: The control link

    /// Something came on the link.
    mutating func hearLink(at now: NIODeadline) { if isLinked { link = .up(heardAt: now) } }

    /// The link stands, or does not.
    mutating func linkChanged(isUp: Bool, at now: NIODeadline) {
        guard !isUp else {
            linkWindow = nil
            link = .up(heardAt: now)
            return
        }
        let failures =
            switch link {
            case .down(_, _, let failures), .dialling(_, let failures): failures + 1
            case .up: 0
            }
        let since =
            switch link {
            case .down(let since, _, _), .dialling(let since, _): since
            case .up: now
            }
        let pause = Self.redialTimes[min(failures, Self.redialTimes.count - 1)]
        link = .down(since: since, redialAt: now + pause, failures: failures)
    }

    /// Whether this machine has to dial now; of a pair the lesser one dials, the other where that brings no link.
    mutating func dials(from own: MachineID, at now: NIODeadline) -> Bool {
        guard isCounted, case .down(let since, let redialAt, let failures) = link, now >= redialAt,
            own < machine || now - since >= Self.patience
        else { return false }
        link = .dialling(since: since, failures: failures)
        return true
    }

    /// This machine itself stood still for so long: silence of that time means nothing.
    mutating func forgive(_ time: TimeAmount, at now: NIODeadline) {
        heardAt = min(now, heardAt + time)
        if case .up(let heardAt) = link { link = .up(heardAt: min(now, heardAt + time)) }
    }
}
