/// What waits for each kind of answer of a connection: promises at a link, words in a test.
package protocol AnswerWaiters {
    associatedtype Reply
    associatedtype Announcement
    associatedtype Tunnel
    associatedtype End
}

/// Who waits for what of one connection, and what answers whom.
package struct OwedAnswers<Waiters: AnswerWaiters> {
    /// Those who waited for something of a session that is over.
    package struct OfSession {
        package var tunnel: Waiters.Tunnel?
        package var end: Waiters.End?
        package var replies: [Waiters.Reply] = []
    }

    private var replies: [CallID: Waiters.Reply] = [:]
    private var announcements: [AnnouncementID: Waiters.Announcement] = [:]
    private var tunnels: [SessionID: Waiters.Tunnel] = [:]
    private var open: Set<SessionID> = []
    private var ends: [SessionID: Waiters.End] = [:]

    package init() {}

    // MARK: Asked

    package mutating func await(_ waiter: Waiters.Reply, to call: CallID) { replies[call] = waiter }

    package mutating func await(_ waiter: Waiters.Announcement, of announcement: AnnouncementID) {
        announcements[announcement] = waiter
    }

    package mutating func await(_ waiter: Waiters.Tunnel, of session: SessionID) { tunnels[session] = waiter }

    /// The one who waits for the end of a session, all others with it; `nil` where the session is none that stands.
    package mutating func awaitEnd(of session: SessionID, _ make: () -> Waiters.End) -> Waiters.End? {
        guard open.contains(session) else { return nil }
        let waiter = ends[session] ?? make()
        ends[session] = waiter
        return waiter
    }

    // MARK: Answered

    package mutating func replied(to call: CallID) -> Waiters.Reply? { replies.removeValue(forKey: call) }

    /// Those whom the answer to an announcement answers: those who asked for an earlier one too, which it has replaced.
    package mutating func answered(_ announcement: AnnouncementID) -> [Waiters.Announcement] {
        announcements.keys.filter { $0 <= announcement }.sorted()
            .compactMap { announcements.removeValue(forKey: $0) }
    }

    package mutating func established(_ session: SessionID) -> Waiters.Tunnel? {
        open.insert(session)
        return tunnels.removeValue(forKey: session)
    }

    /// A session is over: nobody gets a reply of it any more.
    package mutating func ended(_ session: SessionID) -> OfSession {
        open.remove(session)
        var over = OfSession(
            tunnel: tunnels.removeValue(forKey: session), end: ends.removeValue(forKey: session))
        for call in replies.keys where call.session == session {
            if let waiter = replies.removeValue(forKey: call) { over.replies.append(waiter) }
        }
        return over
    }

    /// The session with the portal is over: with it what was asked of the portal.
    package mutating func portalEnded() -> (replies: [Waiters.Reply], announcements: [Waiters.Announcement]) {
        defer { announcements = [:] }
        return (ended(.outer).replies, Array(announcements.values))
    }

    /// Nothing will come any more: whoever waits still, by session.
    package mutating func abandoned() -> [OfSession] {
        let sessions = Set(tunnels.keys).union(ends.keys).union(replies.keys.map(\.session))
        return sessions.map { ended($0) }
    }
}
