public import Blinding

/// Which connections are hidden, and which tokens each has announced.
///
/// A set belongs to its connection. Of two that announce one token the last wins; what the other still had of it
/// ends then, and neither its next set nor its end touches the token.
public struct HiddenDirectory: Sendable {
    private struct TokenSet {
        /// The number under which the table has its tokens; every announcement has another.
        let owner: UInt32
        let source: String
        let places: [TokenTable.Place]
    }

    private let limits: TokenLimits
    private var table = TokenTable()
    private var sets: [ConnectionID: TokenSet] = [:]
    private var connections: [ConnectionID?] = []
    private var freeOwners: [UInt32] = []
    private var sourceCounts: [String: Int] = [:]

    /// How many tokens all sets hold together; one that two have announced counts twice, as it takes room twice.
    public private(set) var tokenCount = 0

    /// Nobody is hidden.
    public init(limits: TokenLimits = TokenLimits()) { self.limits = limits }

    /// The connection that announced a token last.
    public func connection(of token: PairToken) -> ConnectionID? {
        table.owner(of: token).flatMap { connections[Int($0)] }
    }

    /// Whether a connection has announced itself hidden.
    ///
    /// It stays hidden with no token, until it announces itself openly.
    public func isHidden(_ connection: ConnectionID) -> Bool { sets[connection] != nil }

    /// How many tokens a connection has announced.
    public func tokenCount(of connection: ConnectionID) -> Int { sets[connection]?.places.count ?? 0 }

    /// Replaces the set of a connection, whose `source` is what its address counts as.
    ///
    /// - Throws: ``AnnounceRefusal/tooManyTokens``, and nothing has changed.
    public mutating func announce(
        _ announcement: HiddenAnnouncement, on connection: ConnectionID, from source: String
    ) throws(AnnounceRefusal) {
        let former = sets[connection]
        let added = announcement.tokens.count - (former?.places.count ?? 0)
        guard tokenCount + added <= limits.totalCount,
            sourceCounts[source, default: 0] + added <= limits.sourceCount
        else { throw .tooManyTokens }
        let owner = takeOwner(for: connection)
        let places = announcement.tokens.map { table.give($0, to: owner) }
        count(places.count, from: source)
        // Only what the new set has not: the rest has changed its owner.
        if let former { remove(former) }
        sets[connection] = TokenSet(owner: owner, source: source, places: places)
    }

    /// Takes the announcement of a connection back; whether there was one.
    @discardableResult
    public mutating func remove(_ connection: ConnectionID) -> Bool {
        guard let set = sets.removeValue(forKey: connection) else { return false }
        remove(set)
        return true
    }

    /// Takes all tokens of a connection back, which stays hidden; whether there were any.
    public mutating func clear(_ connection: ConnectionID) -> Bool {
        guard let set = sets[connection], !set.places.isEmpty else { return false }
        remove(set)
        sets[connection] = TokenSet(owner: takeOwner(for: connection), source: set.source, places: [])
        return true
    }

    private mutating func remove(_ set: TokenSet) {
        for place in set.places where table.owner(at: place) == set.owner { table.remove(at: place) }
        connections[Int(set.owner)] = nil
        freeOwners.append(set.owner)
        count(-set.places.count, from: set.source)
        // Nobody has a place any more, not even one of a token that was lost to another: memory is given back.
        if tokenCount == 0 { table = TokenTable() }
    }

    private mutating func count(_ added: Int, from source: String) {
        tokenCount += added
        let count = sourceCounts[source, default: 0] + added
        sourceCounts[source] = count == 0 ? nil : count
    }

    private mutating func takeOwner(for connection: ConnectionID) -> UInt32 {
        if let owner = freeOwners.popLast() {
            connections[Int(owner)] = connection
            return owner
        }
        connections.append(connection)
        return UInt32(connections.count - 1)
    }
}
