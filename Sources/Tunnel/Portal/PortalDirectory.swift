internal import Blinding
internal import Multiserver
public import Sodium

/// Who can be reached through the portal, on which connection, and who wants to hear of changes.
///
/// A value without clock, socket or randomness: the same calls give the same answers. One portal has one, behind
/// a lock.
///
/// The newest announcement of an identity wins at once, as in go-ssb-room, and the connection that it replaces is
/// to be ended. One exception is ours: a subscription, which announces only because ssb-room's clients never do
/// it otherwise, does not displace what another connection has announced explicitly. Else listing the endpoints
/// under one's own key would throw out one's running node.
///
/// A connection that announces itself hidden is in no list and not found by its id, whatever it subscribes to.
/// Whoever is not there, is hidden, or is asked for by an unknown token is missed in the same way.
public struct PortalDirectory: Sendable {
    /// How an identity announces itself.
    public enum Manner: Equatable, Sendable {
        /// By `tunnel.announce`.
        case explicit
        /// By subscribing to `tunnel.endpoints` or `room.attendants`.
        case subscription
    }

    /// What followed from a call.
    public struct Outcome: Equatable, Sendable {
        /// Whether the call did what it asked for.
        public var isDone: Bool
        /// The connection that is to be ended, because it announced the same identity before.
        public var replaced: ConnectionID?
        /// Who is to be told that attendance has changed, each once until it asks for the changes.
        public var awakened: [ConnectionID] = []
    }

    /// What a subscriber has missed.
    public enum Update: Equatable, Sendable {
        /// These changes, perhaps none.
        case changes([Attendance.Change])
        /// More than is remembered: this is the list.
        case state([String])
    }

    private struct Announcement {
        let connection: ConnectionID
        var manner: Manner
    }

    private var announcements: [PublicKey: Announcement] = [:]
    /// The subscribers that know everything, and are to be awakened by the next change.
    private var contented: Set<ConnectionID> = []

    /// Who is there openly.
    public private(set) var attendance = Attendance()

    /// Who is there by tokens.
    public private(set) var hidden: HiddenDirectory

    /// Nobody is there.
    public init(limits: TokenLimits = TokenLimits()) { hidden = HiddenDirectory(limits: limits) }

    /// The connection on which a target can be reached.
    public func connection(of target: ConnectTarget) -> ConnectionID? {
        switch target {
        case .id(let peer): announcements[peer]?.connection
        case .token(let token): hidden.connection(of: token)
        case .nobody: nil
        }
    }

    /// A connection announces the identity that it has proved to own.
    public mutating func announce(
        _ peer: PublicKey, on connection: ConnectionID, _ manner: Manner
    ) -> Outcome {
        if hidden.isHidden(connection) {
            guard manner == .explicit else { return Outcome(isDone: false) }
            hidden.remove(connection)
        }
        guard let present = announcements[peer] else {
            announcements[peer] = Announcement(connection: connection, manner: manner)
            return changed(attendance.join(peer.id))
        }
        if present.connection == connection {
            if manner == .explicit { announcements[peer]?.manner = .explicit }
            return Outcome(isDone: true)
        }
        guard manner == .explicit || present.manner == .subscription else { return Outcome(isDone: false) }
        announcements[peer] = Announcement(connection: connection, manner: manner)
        return Outcome(isDone: true, replaced: present.connection)
    }

    /// A connection replaces its tokens, and takes back what it has announced openly.
    ///
    /// - Throws: ``AnnounceRefusal/tooManyTokens``, and nothing has changed.
    public mutating func announce(
        _ announcement: HiddenAnnouncement, of peer: PublicKey, on connection: ConnectionID,
        from source: String
    ) throws(AnnounceRefusal) -> Outcome {
        try hidden.announce(announcement, on: connection, from: source)
        var outcome = leaveOpenly(peer, on: connection)
        outcome.isDone = true
        return outcome
    }

    /// A connection takes its announcement back; what another one has announced since stays.
    ///
    /// One that was hidden stays so, with no token: its subscriptions announce nothing.
    public mutating func leave(_ peer: PublicKey, on connection: ConnectionID) -> Outcome {
        guard !hidden.isHidden(connection) else { return Outcome(isDone: hidden.clear(connection)) }
        return leaveOpenly(peer, on: connection)
    }

    private mutating func leaveOpenly(_ peer: PublicKey, on connection: ConnectionID) -> Outcome {
        guard announcements[peer]?.connection == connection else { return Outcome(isDone: false) }
        announcements[peer] = nil
        return changed(attendance.leave(peer.id))
    }

    /// A connection is over.
    public mutating func connectionClosed(_ connection: ConnectionID, of peer: PublicKey?) -> Outcome {
        contented.remove(connection)
        hidden.remove(connection)
        guard let peer else { return Outcome(isDone: false) }
        var outcome = leaveOpenly(peer, on: connection)
        outcome.awakened.removeAll { $0 == connection }
        return outcome
    }

    /// What a subscriber has missed since a version, which brings it to the present ``Attendance/version``; the
    /// next change awakens it.
    public mutating func update(for subscriber: ConnectionID, since version: Int?) -> Update {
        contented.insert(subscriber)
        guard let version, let changes = attendance.changes(since: version) else {
            return .state(attendance.ids)
        }
        return .changes(changes)
    }

    private mutating func changed(_ hasChanged: Bool) -> Outcome {
        guard hasChanged else { return Outcome(isDone: true) }
        defer { contented.removeAll() }
        return Outcome(isDone: true, awakened: contented.sorted())
    }
}
