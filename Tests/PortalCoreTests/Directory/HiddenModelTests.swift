import Blinding
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// What a directory of the hidden should say, without haste: lists that are searched from the front.
private struct HiddenModel {
    /// The newest first.
    var byToken: [PairToken: [HiddenDirectory.Announcer]] = [:]
    /// Sizes of the sets in force, the newest last.
    var sets: [(announcer: HiddenDirectory.Announcer, tokens: Set<PairToken>, isWhole: Bool)] = []
    let limits: TokenLimits

    private func holder(_ announcer: HiddenDirectory.Announcer) -> String {
        announcer.isMember ? "member \(announcer.key.bytes.array)" : announcer.source
    }

    private func held(where fits: (HiddenDirectory.Announcer) -> Bool) -> Int {
        sets.filter { fits($0.announcer) }.map(\.tokens.count).reduce(0, +)
    }

    /// Whether the announcement is taken, after it was; `dropped` is what the directory says.
    mutating func announce(
        _ tokens: [PairToken], by announcer: HiddenDirectory.Announcer, dropped: [ConnectionID]
    ) {
        for connection in dropped { clear(connection) }
        let former = sets.first { $0.announcer.connection == announcer.connection }
        for token in tokens { admit(announcer, to: token) }
        for token in former?.tokens ?? [] where !tokens.contains(token) {
            byToken[token]?.removeAll { $0.connection == announcer.connection }
        }
        sets.removeAll { $0.announcer.connection == announcer.connection }
        let isWhole = tokens.allSatisfy { byToken[$0]?.contains(announcer) == true }
        sets.append((announcer, Set(tokens), isWhole))
    }

    /// Whether nothing is to be done.
    func isUnchanged(_ tokens: [PairToken], by announcer: HiddenDirectory.Announcer) -> Bool {
        sets.contains { $0.announcer == announcer && $0.isWhole && $0.tokens == Set(tokens) }
    }

    /// Whether there is room, or would be if others gave way; which holders would.
    func room(_ count: Int, for announcer: HiddenDirectory.Announcer) -> (fits: Bool, large: Set<String>) {
        let own = holder(announcer)
        let former = sets.first { $0.announcer.connection == announcer.connection }?.tokens.count ?? 0
        let added = max(0, count - former)
        guard added > 0 else { return (true, []) }
        let wanted = held { holder($0) == own } + added
        guard wanted <= limits.sourceCount else { return (false, []) }
        let strangers = held { !$0.isMember }
        var missing = held { _ in true } + added - limits.totalCount
        if !announcer.isMember { missing = max(missing, strangers + added - limits.totalCount / 2) }
        guard missing > 0 else { return (true, []) }
        for isMember in announcer.isMember ? [false, true] : [false] {
            let holders = Set(sets.filter { $0.announcer.isMember == isMember }.map { holder($0.announcer) })
            let most = holders.map { name in held { holder($0) == name } }.max() ?? 0
            let largest = holders.filter { name in held { holder($0) == name } == most }
            if most >= 2 * wanted, most >= missing, !largest.contains(own) || largest.count > 1 {
                return (true, largest.subtracting([own]))
            }
        }
        return (false, [])
    }

    func holderName(of connection: ConnectionID) -> String? {
        sets.first { $0.announcer.connection == connection }.map { holder($0.announcer) }
    }

    private mutating func admit(_ newcomer: HiddenDirectory.Announcer, to token: PairToken) {
        var present = byToken[token] ?? []
        defer { byToken[token] = present }
        func replace(_ index: Int) {
            let loser = present.remove(at: index)
            present.insert(newcomer, at: 0)
            guard loser.connection != newcomer.connection else { return }
            for set in sets.indices where sets[set].announcer == loser { sets[set].isWhole = false }
        }
        if let same = present.firstIndex(where: {
            $0.connection == newcomer.connection || ($0.key == newcomer.key && $0.source == newcomer.source)
        }) {
            return replace(same)
        }
        guard present.count >= 8 else { return present.insert(newcomer, at: 0) }
        if let same = present.lastIndex(where: { $0.key == newcomer.key }) { return replace(same) }
        let counts = Dictionary(grouping: present, by: \.source).mapValues(\.count)
        let most = counts.values.max() ?? 0
        if most > 1,
            let index = present.lastIndex(where: {
                counts[$0.source] == most && (newcomer.isMember || !$0.isMember)
            })
        {
            return replace(index)
        }
        if newcomer.isMember, let index = present.lastIndex(where: { !$0.isMember }) { replace(index) }
    }

    mutating func clear(_ connection: ConnectionID) {
        guard let index = sets.firstIndex(where: { $0.announcer.connection == connection }) else { return }
        for token in sets[index].tokens { byToken[token]?.removeAll { $0.connection == connection } }
        sets[index].tokens = []
        sets[index].isWhole = false
    }

    mutating func remove(_ connection: ConnectionID) {
        clear(connection)
        sets.removeAll { $0.announcer.connection == connection }
    }

    /// In the order in which they are asked.
    func found(_ token: PairToken) -> [ConnectionID] {
        var sources: Set<String> = []
        let present = byToken[token] ?? []
        let newest = present.filter { sources.insert($0.source).inserted }
        return (newest + present.filter { !newest.contains($0) }).map(\.connection)
    }
}

@Suite("A directory of the hidden, beside a naive one")
struct HiddenModelTests {
    @Test("says the same whatever comes and goes", arguments: 0..<12 as Range<UInt64>)
    func model(seed: UInt64) throws {
        var limits = TokenLimits()
        limits.sourceCount = 60
        limits.totalCount = 200
        var world = HiddenWorld(seed: seed) { $0 = limits }
        var model = HiddenModel(limits: limits)
        let all = try world.tokens(40)
        for _ in 0..<400 {
            let number = UInt64.random(in: 1...24, using: &world.random)
            // Keys and sources are shared by several; a few are members.
            let key = number % 16
            let announcer = try world.announcer(
                number, key: key, source: "\(number % 11)", isMember: key < 3)
            switch Int.random(in: 0..<8, using: &world.random) {
            case 0:
                world.directory.remove(announcer.connection)
                model.remove(announcer.connection)
            case 1:
                world.directory.clear(announcer.connection)
                model.clear(announcer.connection)
            default:
                let count = Int.random(in: 0...30, using: &world.random)
                let tokens = Array(all.shuffled(using: &world.random).prefix(count))
                try announce(tokens, by: announcer, in: &world, &model)
            }
            if Bool.random(using: &world.random) { world.directory.forget(7) }
            #expect(all.map { world.directory.connections(of: $0) } == all.map { model.found($0) })
            #expect(world.directory.tokenCount == model.sets.map(\.tokens.count).reduce(0, +))
            for set in model.sets {
                #expect(world.directory.isHidden(set.announcer.connection))
                #expect(world.directory.tokenCount(of: set.announcer.connection) == set.tokens.count)
            }
        }
        for number: UInt64 in 1...24 { world.directory.remove(ConnectionID(number)) }
        world.directory.forget(.max)
        #expect(world.directory.tokenCount == 0 && !world.directory.hasLeaving)
    }

    private func announce(
        _ tokens: [PairToken], by announcer: HiddenDirectory.Announcer, in world: inout HiddenWorld,
        _ model: inout HiddenModel
    ) throws {
        let (fits, large) = model.room(tokens.count, for: announcer)
        do {
            switch try world.begin(tokens, by: announcer) {
            case .unchanged:
                #expect(model.isUnchanged(tokens, by: announcer))
            case .comes(let dropped):
                #expect(fits && !model.isUnchanged(tokens, by: announcer))
                #expect(dropped.isEmpty == large.isEmpty)
                let holders = Set(dropped.compactMap { model.holderName(of: $0) })
                #expect(holders.isSubset(of: large) && holders.count <= 1)
                while world.directory.insert(5, on: announcer.connection) {}
                let isDone = world.directory.finish(announcer.connection)
                #expect(isDone)
                model.announce(tokens, by: announcer, dropped: dropped)
            }
        } catch AnnounceRefusal.tooManyTokens {
            #expect(!fits)
        }
    }
}
