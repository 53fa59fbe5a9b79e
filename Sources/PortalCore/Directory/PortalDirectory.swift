package import Account
internal import Blinding
internal import Multiserver
package import TypedSodium

/// Who can be reached through the portal, on which connection, and who wants to hear of changes.
///
/// A value without clock, socket or randomness: the same calls give the same answers. One portal has one, behind
/// a lock.
///
/// The newest announcement of an identity wins at once, as in go-ssb-room. The connection that announced before is
/// told, and stays, to be called again when the newer one is gone: ssb-tunnel opens one for each of its instances, and
/// each answers for all. Only so many are kept. A subscription, which announces only because ssb-room's clients never do
/// it otherwise, does not displace what another connection has announced explicitly, or listing the endpoints under
/// one's own key would throw out one's running node; and one that is displaced is ended.
///
/// A connection that announces itself hidden is in no list and not found by its id, whatever it subscribes to.
/// A peer that is absent, one that is hidden, and one that is asked for by an unknown token are missed in the same way.
package struct PortalDirectory: Sendable {
    /// How an identity announces itself.
    package enum Manner: Equatable, Sendable {
        /// By `tunnel.announce`.
        case explicit
        /// By subscribing to `tunnel.endpoints` or `room.attendants`.
        case subscription
    }

    /// What followed from a call.
    package struct Outcome: Equatable, Sendable {
        /// Whether the call did what it asked for, or that was so before.
        package var isDone: Bool
        /// Whether anything is not as it was, which others may see.
        package var hasChanged = false
        /// The connection that is to be told that another announced the same identity, and to be ended if it is silent.
        package var overtaken: ConnectionID?
        /// The connection that is to be ended, because others announced the same identity since.
        package var replaced: ConnectionID?
        /// Who is to be told that attendance has changed, each once until it asks for the changes.
        package var awakened: [ConnectionID] = []
    }

    /// What a subscriber has missed.
    package enum Update: Equatable, Sendable {
        /// These changes, perhaps none.
        case changes([Attendance.Change])
        /// More than is remembered: this is the list.
        case state([String])
        /// The machines of this portal have more ids than lists show.
        case tooMany
    }

    private struct Announcement {
        let connection: ConnectionID
        var manner: Manner
        /// Those that announced it explicitly before, and are still there; the newest stands last.
        var earlier: [ConnectionID] = []
    }

    /// How many connections of an identity are kept that announced it before: with the newest as many as of a token.
    private static let earlierLimit = HiddenDirectory.announcerLimit - 1

    private var announcements: [PublicKey: Announcement] = [:]
    /// The subscribers that know everything, and are to be awakened by the next change.
    private var contented: Set<ConnectionID> = []

    /// Who is there openly.
    package private(set) var attendance = Attendance()

    /// Who is there by tokens.
    package private(set) var hidden: HiddenDirectory

    /// What the other machines are told and tell, where there are any.
    private(set) var neighbours: NeighbourLedger?

    /// Nobody is there.
    package init(limits: TokenLimits = TokenLimits(), hasNeighbours: Bool = false) {
        hidden = HiddenDirectory(limits: limits)
        neighbours = hasNeighbours ? NeighbourLedger() : nil
    }

    /// The connections on which a target can be reached, the one to be asked first in front.
    ///
    /// With a key, which is for tokens only, those alone that have proved it.
    package func connections(of target: ConnectTarget, provedBy key: PublicKey? = nil)
        -> [ConnectionID]
    {
        switch target {
        case .id(let peer): announcements[peer].map { [$0.connection] } ?? []
        case .token(let token):
            hidden.connections(of: token, provedBy: key).filter { !(neighbours?.isSilenced($0) ?? false) }
        case .nobody: []
        }
    }

    /// Whether a peer is announced openly, and on this connection.
    package func isAnnounced(_ peer: PublicKey, on connection: ConnectionID) -> Bool {
        announcements[peer]?.connection == connection
    }

    /// A connection announces the identity that it has proved to own.
    package mutating func announce(
        _ peer: PublicKey, on connection: ConnectionID, _ manner: Manner
    ) -> Outcome {
        if hidden.isHidden(connection) {
            guard manner == .explicit else { return Outcome(isDone: false) }
            hidden.remove(connection)
            _ = neighbours?.unhid(connection)
        }
        guard let present = announcements[peer] else {
            announcements[peer] = Announcement(connection: connection, manner: manner)
            neighbours?.announced(peer, on: connection, manner)
            var outcome = changed(attendance.join(peer.id))
            outcome.hasChanged = true
            return outcome
        }
        if present.connection == connection {
            if manner == .explicit {
                announcements[peer]?.manner = .explicit
                neighbours?.announced(peer, on: connection, .explicit)
            }
            return Outcome(isDone: true)
        }
        guard manner == .explicit || present.manner == .subscription else {
            return Outcome(isDone: false)
        }
        var outcome = Outcome(isDone: true, hasChanged: true)
        var earlier = present.earlier.filter { $0 != connection }
        if present.manner == .explicit {
            outcome.overtaken = present.connection
            earlier.append(present.connection)
            if earlier.count > Self.earlierLimit { outcome.replaced = earlier.removeFirst() }
        } else {
            outcome.replaced = present.connection
        }
        announcements[peer] = Announcement(connection: connection, manner: manner, earlier: earlier)
        neighbours?.announced(peer, on: connection, manner)
        return outcome
    }

    /// A connection begins to replace its tokens.
    ///
    /// - Throws: ``AnnounceRefusal/tooManyTokens``, and nothing has changed.
    package mutating func begin(
        _ announcement: HiddenAnnouncement, by announcer: HiddenDirectory.Announcer,
        charge: Charge? = nil
    ) throws(AnnounceRefusal) -> HiddenDirectory.Beginning {
        let beginning = try hidden.begin(announcement, by: announcer, charge: charge)
        if case .comes(let dropped) = beginning { for loser in dropped { lostTokens(loser) } }
        return beginning
    }

    /// Inserts up to so many of the tokens that come; whether some are left.
    package mutating func insertTokens(_ limit: Int, on connection: ConnectionID) -> Bool {
        hidden.insert(limit, on: connection)
    }

    /// The tokens that came are in force, and what the peer has announced openly is taken back; not done where the
    /// connection has ended meanwhile, or may not announce any more.
    package mutating func finishTokens(of peer: PublicKey, on connection: ConnectionID) -> Outcome {
        guard hidden.finish(connection) else { return Outcome(isDone: false) }
        neighbours?.hid(peer, on: connection)
        var outcome = leaveOpenly(peer, on: connection)
        outcome.isDone = true
        outcome.hasChanged = true
        return outcome
    }

    /// Forgets up to so many tokens that are not announced any more.
    package mutating func forgetTokens(_ limit: Int) { hidden.forget(limit) }

    /// A connection takes its announcement back, and those that others made before; what another one has announced
    /// since stays.
    ///
    /// One that was hidden stays so, with no token: its subscriptions announce nothing.
    package mutating func leave(_ peer: PublicKey, on connection: ConnectionID) -> Outcome {
        guard !hidden.isHidden(connection) else {
            let hadTokens = hidden.clear(connection)
            lostTokens(connection)
            return Outcome(isDone: hadTokens, hasChanged: hadTokens)
        }
        hidden.clear(connection)  // what comes, and is not in force yet
        return leaveOpenly(peer, on: connection)
    }

    private mutating func leaveOpenly(_ peer: PublicKey, on connection: ConnectionID) -> Outcome {
        guard announcements[peer]?.connection == connection else {
            announcements[peer]?.earlier.removeAll { $0 == connection }
            return Outcome(isDone: false)
        }
        announcements[peer] = nil
        neighbours?.gone(peer, from: connection, leaving: nil)
        // What another machine announces stays in lists.
        let isListed = neighbours?.lists(peer) ?? false
        var outcome = changed(!isListed && attendance.leave(peer.id))
        outcome.hasChanged = true
        return outcome
    }

    /// A connection that was hidden has no tokens any more.
    private mutating func lostTokens(_ connection: ConnectionID) {
        guard let key = neighbours?.unhid(connection) else { return }
        neighbours?.gone(
            key, from: connection, leaving: announcements[key].map { ($0.connection, $0.manner) })
    }

    /// A connection is over.
    package mutating func connectionClosed(_ connection: ConnectionID, of peer: PublicKey?) -> Outcome {
        contented.remove(connection)
        hidden.remove(connection)
        lostTokens(connection)
        guard let peer else { return Outcome(isDone: false) }
        if let present = announcements[peer], present.connection == connection,
            let next = present.earlier.last
        {
            announcements[peer] = Announcement(
                connection: next, manner: .explicit, earlier: present.earlier.dropLast())
            neighbours?.gone(peer, from: connection, leaving: (next, .explicit))
            return Outcome(isDone: true, hasChanged: true)
        }
        var outcome = leaveOpenly(peer, on: connection)
        outcome.awakened.removeAll { $0 == connection }
        return outcome
    }

    /// What a subscriber has missed since a version, which brings it to the present ``Attendance/version``; the
    /// next change awakens it.
    package mutating func update(for subscriber: ConnectionID, since version: Int?) -> Update {
        contented.insert(subscriber)
        guard !(neighbours?.isTooLong ?? false) else { return .tooMany }
        guard let version, let changes = attendance.changes(since: version) else {
            return .state(attendance.ids)
        }
        return .changes(changes)
    }

    private mutating func changed(_ hasChanged: Bool) -> Outcome {
        guard hasChanged else { return Outcome(isDone: true) }
        defer { contented.removeAll() }
        return Outcome(isDone: true, hasChanged: true, awakened: contented.sorted())
    }

    // MARK: Other machines

    /// What the other machines have to be told, in order, once.
    mutating func takeNeighbourChanges() -> [NeighbourLedger.Change] { neighbours?.takeChanges() ?? [] }

    /// The machines list these ids from now on, and those no more; who is to be told.
    mutating func listChanged(joined: [PublicKey], left: [PublicKey]) -> [ConnectionID] {
        var hasChanged = false
        for key in joined {
            neighbours?.list(key, true)
            if attendance.join(key.id) { hasChanged = true }
        }
        for key in left {
            neighbours?.list(key, false)
            if announcements[key] == nil, attendance.leave(key.id) { hasChanged = true }
        }
        return changed(hasChanged).awakened
    }

    /// The machines have more ids than lists show, or do not any more; who is to be told.
    mutating func listBecame(tooLong: Bool) -> [ConnectionID] {
        guard let ledger = neighbours, ledger.isTooLong != tooLong else { return [] }
        neighbours?.isTooLong = tooLong
        return changed(true).awakened
    }

    /// The keys that have proved to announce a token here, and are answered for; with a key that one alone.
    func announcers(of token: PairToken, provedBy key: PublicKey?) -> [PublicKey] {
        let keys = hidden.announcers(of: token).filter { !(neighbours?.isSilenced($0.connection) ?? false) }
            .map(\.key)
        return key.map { keys.contains($0) ? [$0] : [] } ?? keys
    }

    /// Another machine has a better claim for a key, as of a change that was told: forgets what is announced openly; on
    /// which connections that was, all that wait behind the first included.
    mutating func yieldOpenly(_ peer: PublicKey, since number: UInt64, _ manner: Manner) -> (
        connections: [ConnectionID], awakened: [ConnectionID]
    ) {
        guard let present = announcements[peer], present.manner == manner,
            neighbours?.isUnchanged(peer, since: number) ?? false
        else { return ([], []) }
        let outcome = leaveOpenly(peer, on: present.connection)
        return ([present.connection] + present.earlier, outcome.awakened)
    }

    /// Another machine has a better claim for a key that is announced by tokens: answers for it no more; on which
    /// connections.
    mutating func silence(_ peer: PublicKey, since number: UInt64) -> [ConnectionID] {
        guard let ledger = neighbours, ledger.isUnchanged(peer, since: number) else { return [] }
        neighbours?.silence(peer, true)
        return ledger.hiddenConnections(of: peer)
    }

    /// The better claim is gone.
    mutating func unsilence(_ peer: PublicKey) { neighbours?.silence(peer, false) }

    /// All connections on which a peer is announced, openly or by tokens.
    func connections(of peer: PublicKey) -> [ConnectionID] {
        let open = announcements[peer].map { [$0.connection] + $0.earlier } ?? []
        return open + (neighbours?.hiddenConnections(of: peer) ?? [])
    }
}
