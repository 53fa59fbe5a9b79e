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

    /// Who is there.
    public private(set) var attendance = Attendance()

    /// Nobody is there.
    public init() {}

    /// The connection on which an identity can be reached.
    public func connection(of peer: PublicKey) -> ConnectionID? { announcements[peer]?.connection }

    /// A connection announces the identity that it has proved to own.
    public mutating func announce(
        _ peer: PublicKey, on connection: ConnectionID, _ manner: Manner
    ) -> Outcome {
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

    /// A connection takes its announcement back, or is over; what another one has announced since stays.
    public mutating func leave(_ peer: PublicKey, on connection: ConnectionID) -> Outcome {
        guard announcements[peer]?.connection == connection else { return Outcome(isDone: false) }
        announcements[peer] = nil
        return changed(attendance.leave(peer.id))
    }

    /// A connection is over.
    public mutating func connectionClosed(_ connection: ConnectionID, of peer: PublicKey?) -> Outcome {
        contented.remove(connection)
        guard let peer else { return Outcome(isDone: false) }
        var outcome = leave(peer, on: connection)
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
