/// Which of an endpoint's connections to one portal takes its calls, and when another is dialled.
///
/// One connection counts. Where its portal falls silent, or asks the node to go to another machine, another is dialled
/// beside it, at another address where there is one; once that is announced, the first takes no more calls, and ends with
/// its tunnels. It is a machine without input or output: what happens goes in, and what is to be done comes out.
///
/// Invariants: one dial is under way or one pause runs at a time; there are at most ``retiredLimit`` connections beside
/// the one that counts and the one that is to follow it.
struct Succession<Connection: Hashable & Sendable>: Sendable {
    /// How many former connections may still have tunnels: a portal that asks for move after move is not to have more.
    static var retiredLimit: Int { 2 }

    /// How a connection ended.
    enum End: Equatable, Sendable {
        /// Another one announced the same identity, which is another node unless it was one of these.
        case replaced
        /// The portal cannot do what this endpoint needs.
        case unsuitable
        /// Otherwise; whether it was announced.
        case lost(wasAnnounced: Bool)
    }

    /// When a connection is dialled.
    enum Pause: Equatable, Sendable {
        /// At once.
        case none
        /// Within a second, because all whom a machine has asked to go are not to come at one moment.
        case spread
        /// After a longer pause each time.
        case backoff
        /// After another node with this identity had its turn.
        case conflict
        /// After the portal's operator may have updated it.
        case unsuitable
    }

    /// What is to be done.
    enum Order: Equatable, Sendable {
        /// To dial, and to say what came of it.
        case dial(after: Pause)
        /// To let a connection end with its tunnels.
        case retire(Connection)
        /// To end a connection.
        case close(Connection)
        /// There is no connection that takes calls.
        case away(End)
    }

    /// The one that counts.
    private(set) var current: Connection?
    /// The one that has been dialled beside it, and is not announced yet.
    private(set) var candidate: Connection?
    private var retired: [Connection] = []
    /// Why another one is dialled.
    private var wish: SuccessorWish?
    private var isDialling = false

    /// Nothing stands.
    init() {}

    /// Begins.
    mutating func start() -> [Order] { dial(after: .none) }

    private mutating func dial(after pause: Pause) -> [Order] {
        isDialling = true
        return [.dial(after: pause)]
    }

    // MARK: What happens

    /// A connection wants another one beside it; whether it was announced for long enough to do what it was for.
    ///
    /// One that is not announced yet, and is to follow another, is no way to go any more: its end has another one dialled.
    mutating func wished(
        _ wish: SuccessorWish, by connection: Connection, isSteady: Bool = true
    ) -> [Order] {
        if connection == candidate { return [.close(connection)] }
        guard connection == current else { return [] }
        // Who is asked to go goes, whether the machine is heard again or not.
        if self.wish != .move { self.wish = wish }
        guard !isDialling, candidate == nil else { return [] }
        return dial(after: wish == .silence ? .none : isSteady ? .spread : .backoff)
    }

    /// A dial has come to a connection; whether the one that counts is silent at this moment.
    mutating func dialled(_ connection: Connection, isCurrentSilent: Bool) -> [Order] {
        isDialling = false
        guard current != nil else {
            current = connection
            wish = nil
            return []
        }
        guard wish == .move || isCurrentSilent else {
            wish = nil
            return [.close(connection)]
        }
        candidate = connection
        return []
    }

    /// A dial has come to nothing.
    mutating func dialFailed(isCurrentSilent: Bool) -> [Order] {
        isDialling = false
        if current != nil, wish != .move, !isCurrentSilent {
            wish = nil
            return []
        }
        return dial(after: .backoff)
    }

    /// The portal has taken the announcement of a connection.
    mutating func announced(_ connection: Connection) -> [Order] {
        guard connection == candidate else { return [] }
        candidate = nil
        wish = nil
        guard let former = current else {
            current = connection
            return []
        }
        current = connection
        retired.append(former)
        let surplus = retired.count > Self.retiredLimit ? [Order.close(retired.removeFirst())] : []
        return [.retire(former)] + surplus
    }

    /// A connection is over.
    mutating func ended(_ connection: Connection, _ end: End, isCurrentSilent: Bool) -> [Order] {
        retired.removeAll { $0 == connection }
        if connection == candidate {
            candidate = nil
            return dialFailed(isCurrentSilent: isCurrentSilent)
        }
        guard connection == current else { return [] }
        current = nil
        wish = nil
        if let candidate {
            // It counts from now on, announced or about to be.
            (current, self.candidate) = (candidate, nil)
            return []
        }
        // Whoever has announced it instead, there is another try on the way already.
        guard !isDialling else { return [.away(.lost(wasAnnounced: true))] }
        return [.away(end)] + dial(after: Self.pause(behind: end))
    }

    private static func pause(behind end: End) -> Pause {
        switch end {
        case .replaced: .conflict
        case .unsuitable: .unsuitable
        case .lost: .backoff
        }
    }
}
