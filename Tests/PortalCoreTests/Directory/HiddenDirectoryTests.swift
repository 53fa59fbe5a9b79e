import Blinding
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A directory of the hidden")
struct HiddenDirectoryTests {
    private var world = HiddenWorld(seed: 6)

    @Test("replaces a set, and keeps what is in both")
    mutating func replaces() throws {
        let tokens = try world.tokens(6)
        let first = try world.announcer(1)
        try world.announce(tokens[0..<4], by: first)
        try world.announce(tokens[2..<6], by: first)
        #expect(tokens.map { world.found($0) } == [[], [], [1], [1], [1], [1]])
        #expect(world.directory.tokenCount == 4)
        #expect(world.directory.tokenCount(of: first.connection) == 4)
        #expect(world.directory.clear(first.connection) && !world.directory.clear(first.connection))
        #expect(world.directory.isHidden(first.connection) && world.directory.tokenCount == 0)
        #expect(tokens.allSatisfy { world.found($0).isEmpty })
        #expect(world.directory.remove(first.connection) && !world.directory.remove(first.connection))
        #expect(!world.directory.isHidden(first.connection))
    }

    @Test("keeps all who announce a token, the newest first, and each end takes only its own")
    mutating func several() throws {
        let tokens = try world.tokens(4)
        let (first, second) = (try world.announcer(1, source: "a"), try world.announcer(2, source: "b"))
        try world.announce(tokens[0..<3], by: first)
        try world.announce(tokens[1..<4], by: second)
        #expect(tokens.map { world.found($0) } == [[1], [2, 1], [2, 1], [2]])
        #expect(world.found(tokens[1], by: first.key) == [1] && world.found(tokens[3], by: first.key).isEmpty)
        world.directory.remove(second.connection)
        #expect(tokens.map { world.found($0) } == [[1], [1], [1], []])
        // Announcing a set again makes nobody newer, unless something of it was lost or has changed.
        try world.announce(tokens[1..<4], by: second)
        #expect(try world.begin(tokens[0..<3], by: first) == .unchanged)
        #expect(world.found(tokens[1]) == [2, 1])
        try world.announce(tokens[0..<2], by: first)
        #expect(tokens.map { world.found($0) } == [[1], [1, 2], [2], [2]])
    }

    @Test("asks no source twice before another was asked")
    mutating func sources() throws {
        let token = try world.tokens(1)
        for (number, source) in [(1, "a"), (2, "b"), (3, "c"), (4, "c"), (5, "c")] {
            try world.announce(token, by: world.announcer(UInt64(number), source: source))
        }
        #expect(world.found(token[0]) == [5, 2, 1, 4, 3])
    }

    @Test("puts who connects anew under the same key and from the same source in the former one's place")
    mutating func reconnects() throws {
        let tokens = try world.tokens(3)
        let former = try world.announcer(1, key: 9, source: "a")
        try world.announce(tokens, by: former)
        try world.announce(tokens[0..<2], by: world.announcer(2, key: 9, source: "a"))
        #expect(tokens.map { world.found($0) } == [[2], [2], [1]])
        // The former one is not the whole any more, so announcing it again is no nothing.
        try world.announce(tokens, by: former)
        #expect(tokens.map { world.found($0) } == [[1], [1], [1]])
        world.directory.remove(former.connection)
        #expect(tokens.allSatisfy { world.found($0).isEmpty })
    }

    @Test("keeps eight: whose source has several gives way, then whoever came first stays, members above all")
    mutating func eight() throws {
        let token = try world.tokens(1)
        for number in 1...8 {
            try world.announce(token, by: world.announcer(UInt64(number), source: "flood"))
        }
        let honest = try world.announcer(9, source: "honest")
        try world.announce(token, by: honest)
        #expect(world.found(token[0], by: honest.key) == [9] && world.found(token[0]).count == 8)
        for number in 10...30 {
            try world.announce(token, by: world.announcer(UInt64(number), source: "flood"))
        }
        #expect(world.found(token[0], by: honest.key) == [9])
        for number in 31...50 {
            try world.announce(token, by: world.announcer(UInt64(number), source: "\(number)"))
        }
        #expect(world.found(token[0], by: honest.key) == [9] && world.found(token[0]).count == 8)
        #expect(Set(world.found(token[0]).prefix(8)).isDisjoint(with: 40...50), "whoever came first stays")
        let member = try world.announcer(51, source: "51", isMember: true)
        try world.announce(token, by: member)
        #expect(world.found(token[0]).first == 51)
        for number in 60...80 {
            try world.announce(token, by: world.announcer(UInt64(number), source: "51"))
        }
        #expect(world.found(token[0], by: member.key) == [51])
    }

    @Test("counts per source and in all, and changes nothing when that is too much")
    mutating func caps() throws {
        world = HiddenWorld(seed: 6) {
            $0.sourceCount = 10
            $0.totalCount = 30
        }
        let tokens = try world.tokens(40)
        let (first, second) = (try world.announcer(1, source: "a"), try world.announcer(2, source: "a"))
        try world.announce(tokens[0..<6], by: first)
        #expect(throws: AnnounceRefusal.tooManyTokens) { try world.announce(tokens[6..<11], by: second) }
        #expect(!world.directory.isHidden(second.connection))
        try world.announce(tokens[6..<10], by: second)
        // A set that is replaced counts no more: six become five, and ten are ten.
        try world.announce(tokens[10..<16], by: first)
        #expect(throws: AnnounceRefusal.tooManyTokens) { try world.announce(tokens[10..<17], by: first) }
        #expect(world.found(tokens[10]) == [1] && world.found(tokens[0]).isEmpty)
        // Strangers have half of all.
        let third = try world.announcer(3, source: "b")
        #expect(throws: AnnounceRefusal.tooManyTokens) { try world.announce(tokens[0..<6], by: third) }
        try world.announce(tokens[0..<5], by: third)
        // Members count by key, and have the rest.
        let member = try world.announcer(4, source: "a", isMember: true)
        try world.announce(tokens[20..<30], by: member)
        let other = try world.announcer(5, source: "a", isMember: true)
        try world.announce(tokens[30..<35], by: other)
        #expect(world.directory.tokenCount == 30)
        #expect(throws: AnnounceRefusal.tooManyTokens) { try world.announce(tokens[30..<36], by: other) }
        for number: UInt64 in 1...5 { world.directory.remove(ConnectionID(number)) }
        #expect(world.directory.tokenCount == 0)
        try world.announce(tokens[0..<10], by: third)
    }

    @Test("drops the newest set of whoever holds most, for one that holds half as many")
    mutating func dropped() throws {
        world = HiddenWorld(seed: 7) {
            $0.sourceCount = 100
            $0.totalCount = 200
        }
        let tokens = try world.tokens(120)
        for number: UInt64 in 1...4 {
            let start = 25 * (Int(number) - 1)
            try world.announce(tokens[start..<start + 25], by: world.announcer(number, source: "large"))
        }
        let small = try world.announcer(5, source: "small")
        #expect(try world.begin(tokens[100..<120], by: small) == .comes(dropped: [ConnectionID(4)]))
        world.finish(small)
        #expect(world.found(tokens[75]).isEmpty && world.directory.isHidden(ConnectionID(4)))
        #expect(world.found(tokens[74]) == [3] && world.found(tokens[119]) == [5])
        #expect(world.directory.tokenCount == 95)
        // 75 are not twice 40.
        let other = try world.announcer(6, source: "other")
        #expect(throws: AnnounceRefusal.tooManyTokens) { try world.announce(tokens[0..<40], by: other) }
    }

    @Test("answers by both sets while one replaces the other, and forgets in slices")
    mutating func slices() throws {
        let tokens = try world.tokens(1000)
        let first = try world.announcer(1)
        try world.announce(tokens[0..<600], by: first)
        _ = try world.begin(tokens[400..<1000], by: first)
        var areLeft = [world.directory.insert(256, on: first.connection)]
        #expect(world.found(tokens[0]) == [1] && world.found(tokens[500]) == [1])
        #expect(world.found(tokens[655]) == [1] && world.found(tokens[656]).isEmpty)
        areLeft.append(world.directory.insert(256, on: first.connection))
        areLeft.append(world.directory.insert(256, on: first.connection))
        #expect(areLeft == [true, true, false])
        #expect(world.directory.finish(first.connection) && world.directory.tokenCount == 600)
        #expect(world.found(tokens[399]).isEmpty && world.found(tokens[400]) == [1])
        #expect(world.directory.hasLeaving)
        world.directory.forget(256)
        #expect(world.directory.hasLeaving)
        world.directory.forget(1000)
        #expect(!world.directory.hasLeaving && world.found(tokens[999]) == [1])
        // Whatever takes it back takes back what comes as well.
        _ = try world.begin(tokens[0..<300], by: first)
        _ = world.directory.insert(256, on: first.connection)
        world.directory.remove(first.connection)
        let isLeft = world.directory.insert(256, on: first.connection)
        let isDone = world.directory.finish(first.connection)
        #expect(!isLeft && !isDone)
        #expect(tokens.allSatisfy { world.found($0).isEmpty } && world.directory.tokenCount == 0)
    }
}
