internal import Account

/// Who holds what, and who goes where something is short.
///
/// ### Invariants
/// - What ``ofAccount`` names is one of ``holdings``.
/// - What is in ``leaving`` was told to go, once.
struct HoldingBooks {
    /// Who asks for room.
    struct Asking {
        let owner: Account
        let account: Account
        /// What is to hold more; `nil` for what is to be opened, and for what never gives way.
        let holding: UInt64?
        let isSession: Bool
    }

    /// How many go at most to make room once: 256 KiB of streams that hold nothing, twice.
    private static let displacedLimit = 128
    private static let resources: [ScarceResource] = [.memory, .streams, .sockets]

    private(set) var holdings: [UInt64: Holding] = [:]
    private var ofAccount: [ScarceResource: [Int: Set<UInt64>]] = [:]
    /// What has been told to go, with how much of its memory nobody has got yet.
    private var leaving: [UInt64: Int] = [:]
    private var lastNumber: UInt64 = 0

    mutating func insert(_ holding: Holding) -> UInt64 {
        lastNumber += 1
        holdings[lastNumber] = holding
        for resource in Self.resources {
            guard let account = holding.account(for: resource) else { continue }
            ofAccount[resource, default: [:]][account.id, default: []].insert(lastNumber)
        }
        return lastNumber
    }

    mutating func remove(_ number: UInt64) -> Holding? {
        guard let holding = holdings.removeValue(forKey: number) else { return nil }
        leaving[number] = nil
        for resource in Self.resources {
            guard let account = holding.account(for: resource) else { continue }
            ofAccount[resource]?[account.id]?.remove(number)
            if ofAccount[resource]?[account.id]?.isEmpty == true { ofAccount[resource]?[account.id] = nil }
        }
        return holding
    }

    /// Gives out what those hold that have been told to go; whether there is so much within the account that is full.
    mutating func takePromised(_ byteCount: Int, within account: Account) -> Bool {
        for (number, rest) in leaving where rest >= byteCount {
            guard let holding = holdings[number], account.contains(holding.memory) else { continue }
            leaving[number] = rest - byteCount
            return true
        }
        return false
    }

    /// Notes who has been chosen to go, and of whose memory so much is used at once.
    mutating func displace(
        _ chosen: [UInt64: ScarceResource], for byteCount: Int
    ) -> [Displaced] {
        var needed = byteCount
        return chosen.compactMap { number, resource in
            guard let holding = holdings[number] else { return nil }
            let used = min(needed, holding.byteCount)
            needed -= used
            leaving[number] = holding.byteCount - used
            return Displaced(holding, for: resource)
        }
    }

    /// Who is to go; `nil` where those who hold more do not hold enough.
    func choose(
        _ count: Int, of resource: ScarceResource, for asking: Asking,
        beside chosen: [UInt64: ScarceResource]
    ) -> [UInt64]? {
        // Where who has been chosen for something else leaves this too, there is room.
        guard let contention = asking.account.contention(for: count) else { return [] }
        let others = chosen.keys.filter { number in
            holdings[number]?.account(for: resource).map(contention.contains) == true
        }
        if resource != .memory, !others.isEmpty { return [] }
        var (found, more) = (
            resource == .memory ? others.reduce(0) { $0 + byteCount(of: $1) } : 0, [UInt64]()
        )
        var excluded = Set(chosen.keys)
        while found < count {
            guard more.count < Self.displacedLimit,
                let number = largest(resource, within: contention, for: asking, count, excluded)
            else { return nil }
            found += resource == .memory ? byteCount(of: number) : 1
            more.append(number)
            excluded.insert(number)
        }
        return more
    }

    private func byteCount(of number: UInt64) -> Int { holdings[number]?.byteCount ?? 0 }

    private func largest(
        _ resource: ScarceResource, within contention: Account, for asking: Asking, _ count: Int,
        _ excluded: Set<UInt64>
    ) -> UInt64? {
        let all = ofAccount[resource] ?? [:]
        let leaf = contention.largestLeafID { id in
            all[id]?.contains { canGiveWay($0, resource, excluded) } == true
        }
        let candidates = leaf.flatMap { all[$0] }?.filter { canGiveWay($0, resource, excluded) } ?? []
        guard let number = first(candidates, to: resource), let holding = holdings[number] else { return nil }
        if resource != .memory {
            let isOthers = holding.owner !== asking.owner
            let other = holding.account(for: resource)
            return isOthers && other.map { asking.account.outweighs($0) } == true ? number : nil
        }
        if holding.memory !== asking.account, asking.account.outweighs(holding.memory, with: count, by: 1) {
            return number
        }
        // Who asks holds most: what it can do without is a stream of the same session, though not for a new one.
        guard asking.holding != nil || asking.isSession else { return nil }
        let own = (all[asking.account.id] ?? []).filter {
            holdings[$0]?.stream != nil && ($0 == asking.holding || canGiveWay($0, resource, excluded))
        }
        let largest = first(own, to: .memory)
        return largest == asking.holding ? nil : largest
    }

    private func canGiveWay(_ number: UInt64, _ resource: ScarceResource, _ excluded: Set<UInt64>) -> Bool {
        guard leaving[number] == nil, !excluded.contains(number) else { return false }
        return resource != .memory || byteCount(of: number) > 0
    }

    /// Which goes first: of memory the largest, of places the one that was not used for the longest time.
    private func first(_ numbers: some Sequence<UInt64>, to resource: ScarceResource) -> UInt64? {
        switch resource {
        case .memory: numbers.max { (byteCount(of: $0), $0) < (byteCount(of: $1), $1) }
        case .streams, .sockets:
            numbers.min { (holdings[$0]?.lastUse ?? 0, $1) < (holdings[$1]?.lastUse ?? 0, $0) }
        }
    }
}
