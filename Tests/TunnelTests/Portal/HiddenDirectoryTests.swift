import Blinding
import MuxRPC
import Sodium
import TestSupport
import Testing
import Tunnel

@Suite("A directory of the hidden")
struct HiddenDirectoryTests {
    private var random = SeededRandom(seed: 6)
    private var directory = HiddenDirectory()
    private let first = ConnectionID(1)
    private let second = ConnectionID(2)

    private mutating func tokens(_ count: Int) throws -> [PairToken] {
        try (0..<count).map { _ in PairToken(try FixedBytes(random.bytes(32).span)) }
    }

    private mutating func announce(
        _ tokens: some Sequence<PairToken>, on connection: ConnectionID, from source: String = "a"
    ) throws {
        let values = tokens.map { JSONValue.string($0.base64) }
        let announcement = try HiddenAnnouncement(values, limit: .max)
        try directory.announce(announcement, on: connection, from: source)
    }

    @Test("replaces a set, and keeps what is in both")
    mutating func replaces() throws {
        let tokens = try tokens(6)
        try announce(tokens[0..<4], on: first)
        try announce(tokens[2..<6], on: first)
        #expect(tokens.map(directory.connection) == [nil, nil, first, first, first, first])
        #expect(directory.tokenCount == 4 && directory.tokenCount(of: first) == 4)
        #expect(directory.clear(first) && !directory.clear(first))
        #expect(directory.isHidden(first) && directory.tokenCount == 0)
        #expect(tokens.compactMap(directory.connection).isEmpty)
        #expect(directory.remove(first) && !directory.remove(first))
        #expect(!directory.isHidden(first))
    }

    @Test(
        "lets the last announcer win, and the former one's end touch nothing of it", arguments: [false, true])
    mutating func lastWins(formerAnnouncesAgain: Bool) throws {
        let tokens = try tokens(4)
        try announce(tokens[0..<3], on: first)
        try announce(tokens[1..<4], on: second)
        #expect(tokens.map(directory.connection) == [first, second, second, second])
        if formerAnnouncesAgain { try announce([], on: first) }
        directory.remove(first)
        #expect(tokens.map(directory.connection) == [nil, second, second, second])
        // And the other way round: the winner goes, and nothing falls back to who had it before.
        try announce(tokens, on: first)
        directory.remove(second)
        #expect(tokens.map(directory.connection) == [first, first, first, first])
        directory.remove(first)
        #expect(directory.tokenCount == 0)
    }

    @Test("holds on to nothing when who lost a token outlives who took it")
    mutating func survivingLoser() throws {
        let tokens = try tokens(2000)
        try announce(tokens, on: first)
        try announce(tokens, on: second)
        directory.remove(second)
        #expect(tokens.compactMap(directory.connection).isEmpty)
        #expect(directory.tokenCount == 2000, "the room that its list takes")
        directory.remove(first)
        #expect(directory.tokenCount == 0)
    }

    @Test("counts per source and in all, and changes nothing when that is too much")
    mutating func caps() throws {
        var limits = TokenLimits()
        limits.sourceCount = 10
        limits.totalCount = 15
        directory = HiddenDirectory(limits: limits)
        let tokens = try tokens(20)
        try announce(tokens[0..<6], on: first)
        #expect(throws: AnnounceRefusal.tooManyTokens) { try announce(tokens[6..<11], on: second) }
        #expect(!directory.isHidden(second))
        try announce(tokens[6..<10], on: second)
        // A set that is replaced counts no more: six become five, and ten are ten.
        try announce(tokens[10..<16], on: first)
        #expect(throws: AnnounceRefusal.tooManyTokens) { try announce(tokens[10..<17], on: first) }
        #expect(directory.connection(of: tokens[10]) == first && directory.connection(of: tokens[0]) == nil)
        let third = ConnectionID(3)
        #expect(throws: AnnounceRefusal.tooManyTokens) { try announce(tokens[0..<6], on: third, from: "b") }
        try announce(tokens[0..<5], on: third, from: "b")
        // Whose source is full can still announce fewer.
        try announce([tokens[17]], on: first)
        directory.remove(first)
        directory.remove(second)
        directory.remove(third)
        #expect(directory.tokenCount == 0)
        try announce(tokens[0..<10], on: third)
    }

    @Test("does what a dictionary of sets would, whatever comes and goes", arguments: 0..<6 as Range<UInt64>)
    mutating func model(seed: UInt64) throws {
        random = SeededRandom(seed: seed)
        let all = try tokens(700)
        var owners: [PairToken: ConnectionID] = [:]
        var counts: [ConnectionID: Int] = [:]
        for _ in 0..<40 {
            let connection = ConnectionID(UInt64.random(in: 0..<6, using: &random))
            let start = Int.random(in: 0..<all.count, using: &random)
            let set = all[start..<min(all.count, start + Int.random(in: 0..<400, using: &random))]
            for (token, owner) in owners where owner == connection { owners[token] = nil }
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                directory.remove(connection)
                counts[connection] = nil
            case 1:
                _ = directory.clear(connection)
                counts[connection] = counts[connection].map { _ in 0 }
            default:
                try announce(set.shuffled(using: &random), on: connection)
                for token in set { owners[token] = connection }
                counts[connection] = set.count
            }
            #expect(all.allSatisfy { directory.connection(of: $0) == owners[$0] })
            #expect(directory.tokenCount == counts.values.reduce(0, +))
        }
    }
}
