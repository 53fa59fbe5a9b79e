internal import Account
internal import NIOCore
internal import TypedSodium

/// The connections that a portal has room for, shared by the sources that they come from.
///
/// A value without socket and clock. While there is room a source may have it; when it is short, each has its equal
/// share, and the source that holds most loses its newest connection that does nothing. An eighth is for members, whatever
/// their addresses are.
package struct ConnectionPlaces {
    /// Which connection.
    typealias Number = Int

    /// Why a connection has no place by right.
    package enum Refusal: Equatable {
        /// Its source has as many as it may.
        case tooManyConnections
        /// Its source opens them faster than it may.
        case tooManyHandshakes
    }

    /// What became of a new connection.
    struct Admission: Equatable {
        /// Why it has no place; it may be tried all the same.
        var refusal: Refusal?
        /// Which other one has to go.
        var leaving: Number?
    }

    /// How much of all is the members' part, and how much that of connections on trial, as divisors.
    static let (memberDivisor, trialDivisor) = (8, 8)
    /// How many sources are asked for a connection that can go, and how many connections of each are looked at.
    private static let (sourceLimit, connectionLimit) = (8, 64)
    /// How often a second that is done at most: it looks at every source.
    private static let searchesPerSecond = 50.0

    private struct Source {
        let account: Account
        /// Oldest first.
        var numbers: [Number] = []
        var handshakes: Rate?
    }

    /// An account that others stand below.
    private struct Group {
        let account: Account
        var count = 0
    }

    private struct Entry {
        let source: SourceAddress?
        let member: PublicKey?
        let charge: Charge
    }

    private var ceilings: ConnectionAdmission.Ceilings
    private let sourcesAccount: Account
    private let membersAccount: Account
    private var sources: [SourceAddress: Source] = [:]
    private var networks: [SourceAddress: Group] = [:]
    private var members: [PublicKey: Group] = [:]
    private var entries: [Number: Entry] = [:]
    private var searches: Rate
    /// How many sources outside of networks, and networks, have a connection.
    private var claimantCount = 0

    /// Room for `count` connections.
    init(count: Int, ceilings: ConnectionAdmission.Ceilings, at now: NIODeadline) {
        self.ceilings = ceilings
        let memberCount = max(1, count / Self.memberDivisor)
        let sourceCount = max(1, count - memberCount - count / Self.trialDivisor)
        membersAccount = .places(limit: memberCount)
        sourcesAccount = .places(limit: sourceCount)
        searches = Rate(perSecond: Self.searchesPerSecond, burst: Self.searchesPerSecond / 2, at: now)
    }

    /// How many connections there are with a place.
    var count: Int { entries.count }

    /// Has other ceilings count from now on, also for sources that are known.
    mutating func update(_ ceilings: ConnectionAdmission.Ceilings, at now: NIODeadline) {
        self.ceilings = ceilings
        let rate = makeRate(at: now)
        for address in Array(sources.keys) { sources[address]?.handshakes = rate }
    }

    private func makeRate(at now: NIODeadline) -> Rate? {
        ceilings.handshakesPerSecond.map { Rate(perSecond: Double($0), burst: Double($0), at: now) }
    }

    // MARK: Coming and going

    /// Gives a new connection a place; `isIdle` says which ones have neither tunnel nor announcement.
    mutating func open(
        _ number: Number, from address: SourceAddress, at now: NIODeadline, isIdle: (Number) -> Bool
    ) -> Admission {
        // Taken out, so that its list is changed where it stands.
        var source = sources.removeValue(forKey: address) ?? makeSource(address, at: now)
        defer { keep(source, at: address, at: now) }
        guard source.handshakes?.take(at: now) != false else {
            return Admission(refusal: .tooManyHandshakes)
        }
        guard source.numbers.count < ceilings.connectionsPerSource ?? .max else {
            return Admission(refusal: .tooManyConnections)
        }
        var admission = Admission()
        var charge = source.account.charge(1)
        if charge == nil, isBelowShare(source, at: address),
            let leaving = leaving(for: source, at: now, isIdle: isIdle)
        {
            admission.leaving = leaving
            close(leaving, at: now)
            charge = source.account.charge(1)
        }
        guard let charge else {
            admission.refusal = .tooManyConnections
            return admission
        }
        source.numbers.append(number)
        let count = address.network.map { counted(in: $0, by: 1) } ?? source.numbers.count
        if count == 1 { claimantCount += 1 }
        entries[number] = Entry(source: address, member: nil, charge: charge)
        return admission
    }

    /// Gives a connection one of the members' places; whether one is free for that member.
    mutating func open(_ number: Number, as member: PublicKey) -> Bool {
        let group = members[member] ?? Group(account: membersAccount.open())
        guard let charge = group.account.charge(1) else { return false }
        members[member] = Group(account: group.account, count: group.count + 1)
        entries[number] = Entry(source: nil, member: member, charge: charge)
        return true
    }

    /// Takes the place of a connection back, if it has one.
    mutating func close(_ number: Number, at now: NIODeadline) {
        guard let entry = entries.removeValue(forKey: number) else { return }
        if let member = entry.member, var group = members[member] {
            group.count -= 1
            members[member] = group.count > 0 ? group : nil
        }
        guard let address = entry.source, var source = sources.removeValue(forKey: address) else {
            return
        }
        if let index = source.numbers.lastIndex(of: number) { source.numbers.remove(at: index) }
        let count = address.network.map { counted(in: $0, by: -1) } ?? source.numbers.count
        if count == 0 { claimantCount -= 1 }
        keep(source, at: address, at: now)
    }

    // MARK: Sources

    /// Counts a connection of a network in or out; how many it has then.
    private mutating func counted(in network: SourceAddress, by change: Int) -> Int {
        networks[network]?.count += change
        return networks[network]?.count ?? 0
    }

    private mutating func makeSource(_ address: SourceAddress, at now: NIODeadline) -> Source {
        var above = sourcesAccount
        if let network = address.network {
            let group = networks[network] ?? Group(account: sourcesAccount.open(keepsReserve: true))
            networks[network] = group
            above = group.account
        }
        return Source(account: above.open(), handshakes: makeRate(at: now))
    }

    /// Remembers a source that has anything, or has used up some of what it may.
    private mutating func keep(_ source: Source, at address: SourceAddress, at now: NIODeadline) {
        let isForgotten = source.numbers.isEmpty && source.handshakes?.isFull(at: now) != false
        sources[address] = isForgotten ? nil : source
        if isForgotten, let network = address.network, networks[network]?.count == 0 {
            networks[network] = nil
        }
        if sources.count > entries.count + Self.sweepFrom { sweep(at: now) }
    }

    /// How many sources without a connection may be remembered before those that have recovered are looked for.
    private static let sweepFrom = 4096

    private mutating func sweep(at now: NIODeadline) {
        sources = sources.filter {
            !$0.value.numbers.isEmpty || $0.value.handshakes?.isFull(at: now) == false
        }
        networks = networks.filter { $0.value.count > 0 }
    }

    // MARK: Giving way

    /// Whether a source, or the network that it is in, has less than an equal share: nobody gives way for more.
    private func isBelowShare(_ source: Source, at address: SourceAddress) -> Bool {
        let count = address.network.flatMap { networks[$0]?.count } ?? source.numbers.count
        // As in an account: one share is a newcomer's.
        return (count + 1) * (claimantCount + 1) <= sourcesAccount.capacity
    }

    /// The newest idle connection of a source that has at least twice as many as this one would, largest first.
    private mutating func leaving(
        for source: Source, at now: NIODeadline, isIdle: (Number) -> Bool
    ) -> Number? {
        guard searches.take(at: now) else { return nil }
        var largest: [(counts: (Int, Int), account: Account, numbers: [Number])] = []
        for (address, source) in sources where !source.numbers.isEmpty {
            let count = source.numbers.count
            let counts = (address.network.flatMap { networks[$0]?.count } ?? count, count)
            let index = largest.lastIndex { $0.counts >= counts }.map { $0 + 1 } ?? 0
            guard index < Self.sourceLimit else { continue }
            largest.insert((counts, source.account, source.numbers), at: index)
            if largest.count > Self.sourceLimit { largest.removeLast() }
        }
        for other in largest where source.account.outweighs(other.account) {
            let idle = other.numbers.suffix(Self.connectionLimit).last(where: isIdle)
            if let idle { return idle }
        }
        return nil
    }
}
