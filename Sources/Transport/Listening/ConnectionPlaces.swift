internal import Account
internal import NIOCore
internal import Sodium

/// The connections that a portal has room for, shared by the sources that they come from.
///
/// A value without socket and clock. While there is room a source may have it; when it is short, each has its equal
/// share, and whoever holds most loses its newest connection that does nothing. An eighth is for members, whatever
/// their addresses are.
struct ConnectionPlaces {
    /// Which connection.
    typealias Number = Int

    /// Why a connection has no place by right.
    enum Refusal: Error, Equatable {
        /// Its source has as many as it may.
        case tooManyConnections
        /// Its source opens them faster than it may.
        case tooManyHandshakes
    }

    /// A connection that was let in, and one that has to go for it.
    struct Admission: Equatable {
        var leaving: Number?
    }

    /// How much of all is the members' part, and how much that of connections on trial, as divisors.
    static let (memberDivisor, trialDivisor) = (8, 8)
    /// How many sources are asked for a connection that can go, and how many connections of each are looked at.
    private static let (sourceLimit, connectionLimit) = (8, 64)
    /// How often a second that is done at most: it looks at every source.
    private static let searchesPerSecond = 100.0

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

    private let ceilings: ConnectionLimits.Ceilings
    private let sourcesAccount: Account
    private let membersAccount: Account
    private var sources: [SourceAddress: Source] = [:]
    private var networks: [SourceAddress: Group] = [:]
    private var members: [PublicKey: Group] = [:]
    private var entries: [Number: Entry] = [:]
    private var searches: Rate

    /// Room for `count` connections.
    init(count: Int, ceilings: ConnectionLimits.Ceilings, at now: NIODeadline) {
        self.ceilings = ceilings
        let pool = Account.places(limit: count, keepsReserve: false)
        let memberCount = max(1, count / Self.memberDivisor)
        membersAccount = pool.open(limit: memberCount, keepsReserve: true)
        sourcesAccount = pool.open(
            limit: max(1, count - memberCount - count / Self.trialDivisor), keepsReserve: true)
        searches = Rate(perSecond: Self.searchesPerSecond, burst: Self.searchesPerSecond / 4, at: now)
    }

    /// How many connections there are with a place.
    var count: Int { entries.count }

    // MARK: Coming and going

    /// Gives a new connection a place; `isIdle` says which ones have neither tunnel nor announcement.
    ///
    /// - Throws: ``Refusal``; it may be tried all the same.
    mutating func open(
        _ number: Number, from address: SourceAddress, at now: NIODeadline, isIdle: (Number) -> Bool
    ) throws(Refusal) -> Admission {
        var source = sources[address] ?? makeSource(address, at: now)
        defer { keep(source, at: address, at: now) }
        if source.handshakes?.take(at: now) == false { throw .tooManyHandshakes }
        var admission = Admission()
        var charge = source.account.charge(1)
        if charge == nil, source.numbers.count < ceilings.connectionsPerSource ?? .max {
            admission.leaving = leaving(for: source, at: now, isIdle: isIdle)
            if let leaving = admission.leaving {
                close(leaving, at: now)
                charge = source.account.charge(1)
            }
        }
        guard let charge else { throw .tooManyConnections }
        if let network = address.network { networks[network]?.count += 1 }
        source.numbers.append(number)
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
        guard let address = entry.source, var source = sources[address] else { return }
        if let index = source.numbers.lastIndex(of: number) { source.numbers.remove(at: index) }
        if let network = address.network { networks[network]?.count -= 1 }
        keep(source, at: address, at: now)
    }

    // MARK: Sources

    private mutating func makeSource(_ address: SourceAddress, at now: NIODeadline) -> Source {
        var above = sourcesAccount
        if let network = address.network {
            let group = networks[network] ?? Group(account: sourcesAccount.open(keepsReserve: true))
            networks[network] = group
            above = group.account
        }
        let handshakes = ceilings.handshakesPerSecond.map {
            Rate(perSecond: Double($0), burst: Double($0), at: now)
        }
        return Source(
            account: above.open(limit: ceilings.connectionsPerSource ?? .max), handshakes: handshakes)
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
        sources = sources.filter { !$0.value.numbers.isEmpty || $0.value.handshakes?.isFull(at: now) == false }
        networks = networks.filter { $0.value.count > 0 }
    }

    // MARK: Giving way

    /// The newest idle connection of a source that has at least twice as many as this one would, largest first.
    private mutating func leaving(
        for source: Source, at now: NIODeadline, isIdle: (Number) -> Bool
    ) -> Number? {
        guard searches.take(at: now) else { return nil }
        let largest = sources.filter { !$0.value.numbers.isEmpty }.max(Self.sourceLimit) { address, source in
            (address.network.flatMap { networks[$0]?.count } ?? source.numbers.count, source.numbers.count)
        }
        for other in largest where source.account.outweighs(other.account) {
            let idle = other.numbers.suffix(Self.connectionLimit).last(where: isIdle)
            if let idle { return idle }
        }
        return nil
    }
}

extension Dictionary {
    /// The values of the greatest, greatest first.
    fileprivate func max<First: Comparable, Second: Comparable>(
        _ count: Int, by measure: (Key, Value) -> (First, Second)
    ) -> [Value] {
        map { (measure: measure($0.key, $0.value), value: $0.value) }
            .sorted { $0.measure > $1.measure }.prefix(count).map(\.value)
    }
}
