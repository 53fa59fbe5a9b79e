internal import Account
package import NIOCore
package import TypedSodium

/// What a connection has of a portal's places.
package protocol ConnectionPlace: AnyObject, Sendable {
    /// Whether it has none, and is only tried.
    var isOnTrial: Bool { get }

    /// A member was recognised; whether there is a place for it.
    func keep(as member: PublicKey) -> Bool
}

/// Who may connect to a portal, on all its addresses: with a place, or on trial.
///
/// Beyond its share a connection of a source is tried all the same, a few in a second: it may be that of a member whose
/// address a stranger has too. A value without socket, clock and randomness; all those are given to it.
package struct ConnectionAdmission {
    /// What the owner lets one source have at most; without, it is its share that decides.
    package struct Ceilings: Equatable, Sendable {
        /// Connections of one source at a time.
        package var connectionsPerSource: Int?
        /// Handshakes that one source may begin in a second.
        package var handshakesPerSecond: Int?

        /// These, or none.
        package init(connectionsPerSource: Int? = nil, handshakesPerSecond: Int? = nil) {
            self.connectionsPerSource = connectionsPerSource
            self.handshakesPerSecond = handshakesPerSecond
        }
    }

    /// What an owner decides, and what follows from the machine.
    package struct Settings: Sendable {
        /// How many connections there may be.
        package var connectionCount: Int
        /// What one source may have at most.
        package var ceilings: Ceilings
        /// Who passes connections of others on, and says in front of each whose it is.
        package var trustedProxies: [AddressRange]
        /// Whether each connection is a source of its own, wherever it comes from: for measuring many from one machine.
        package var countsApart = false

        /// These.
        package init(
            connectionCount: Int, ceilings: Ceilings = Ceilings(), trustedProxies: [AddressRange] = []
        ) {
            self.connectionCount = connectionCount
            self.ceilings = ceilings
            self.trustedProxies = trustedProxies
        }
    }

    /// What became of a new connection.
    package struct Entry: Sendable {
        /// Its number, never used twice.
        package let number: Int
        /// Why it has no place, and is on trial; `nil` where it has one.
        package let refusal: ConnectionPlaces.Refusal?
        /// Which connections have to go for it, perhaps itself.
        package let leaving: [Int]
    }

    /// How many connections may be on trial at most: as many as twenty draws a second keep open.
    private static let trialLimit = 256

    private var places: ConnectionPlaces
    private var trials: TrialLot
    private var proxies: [AddressRange]
    private var lastNumber = 0
    private let countsApart: Bool
    private var apartCount = 0

    /// Nobody is connected; lots are drawn from `random`.
    package init(
        _ settings: Settings, random: any RandomNumberGenerator & Sendable, at now: NIODeadline
    ) {
        let count = max(1, settings.connectionCount)
        let trialCount = min(Self.trialLimit, max(1, count / ConnectionPlaces.trialDivisor))
        places = ConnectionPlaces(count: count, ceilings: settings.ceilings, at: now)
        trials = TrialLot(limit: trialCount, random: random, at: now)
        proxies = settings.trustedProxies
        countsApart = settings.countsApart
    }

    /// Has other limits count for all that happens from now on; connections that stand stay.
    package mutating func update(
        _ ceilings: Ceilings, trustedProxies: [AddressRange], at now: NIODeadline
    ) {
        proxies = trustedProxies
        places.update(ceilings, at: now)
    }

    /// Whether a connection from an address has to begin with a proxy's header.
    package func isProxy(_ address: SocketAddress) -> Bool {
        proxies.contains { $0.contains(address) }
    }

    /// What a new connection from an address counts as: its own, or the one that a proxy has named.
    package mutating func source(of address: SocketAddress?) -> SourceAddress {
        guard countsApart else { return SourceAddress(address) }
        apartCount += 1
        return .apart(apartCount)
    }

    // MARK: Coming and going

    /// Finds a place, or a trial, for a new connection; `isIdle` says which ones have neither tunnel nor announcement.
    package mutating func enter(
        from source: SourceAddress, at now: NIODeadline, isIdle: (Int) -> Bool
    ) -> Entry {
        lastNumber += 1
        let admission = places.open(lastNumber, from: source, at: now, isIdle: isIdle)
        let displaced = admission.refusal.flatMap { _ in trials.enter(lastNumber) }
        return Entry(
            number: lastNumber, refusal: admission.refusal,
            leaving: [admission.leaving, displaced].compactMap(\.self))
    }

    /// A member was recognised on trial; whether there is a place for it.
    package mutating func keep(_ number: Int, as member: PublicKey) -> Bool {
        guard places.open(number, as: member) else { return false }
        trials.leave(number)
        return true
    }

    /// A connection is over.
    package mutating func leave(_ number: Int, at now: NIODeadline) {
        trials.leave(number)
        places.close(number, at: now)
    }

    // MARK: Draws

    /// The first message of a connection on trial is here.
    package mutating func spoke(_ number: Int) { trials.spoke(number) }

    /// When the next one is drawn; `nil` while nobody waits.
    package var nextDraw: NIODeadline? { trials.nextDraw }

    /// Draws one, where somebody waits and it is time.
    package mutating func draw(at now: NIODeadline) -> Int? { trials.draw(at: now) }
}
