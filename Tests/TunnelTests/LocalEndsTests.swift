import Multiserver
import MuxRPC
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// Which local ends a connection has to be able to reach, and who is answered by what: with words for ends and promises.
@Suite("The local side of a node's connection")
struct LocalEndsTests {
    private enum Words: AnswerWaiters {
        typealias Reply = String
        typealias Announcement = String
        typealias Tunnel = String
        typealias End = String
    }

    private let portal: HandmadePortal
    private let session: SessionID
    private let keys: [StreamKey]
    private let friend: PublicKey

    /// Three streams of a session that stands.
    init() throws {
        let target = try Identity.random()
        portal = try HandmadePortal(node: target, policy: EndpointPolicy(services: ["ssh"], access: .anyone))
        let (peer, _) = try portal.friend(["target": .string(target.publicKey.id)], of: target.publicKey)
        for _ in 0..<3 { _ = try peer.open(.duplex, "service.open", [["name": "ssh"]]) }
        portal.run()
        keys = portal.asked
        session = keys[0].session
        friend = target.publicKey
    }

    @Test("what lingers is reachable until it is gone, also after the connection")
    func lingering() throws {
        var ends = LocalEnds<String, String>()
        ends.insert("a", at: keys[0])
        ends.insert("b", at: keys[1])
        let closed = ends.close(keys[0]).end
        #expect(closed == "a" && ends[keys[0]] == nil)
        ends.linger("a", at: keys[0])
        ends.connectionEnded()
        let none = ends.giveWay(keys[1])
        #expect(!ends.areOver && none == nil)
        let given = ends.giveWay(keys[0])
        #expect(given == "a" && ends.areOver)
        ends.linger("c", at: keys[2])
        #expect(!ends.areOver)
        ends.isGone(keys[2])
        #expect(ends.areOver)
    }

    @Test("what waited for the backlog reads on, unless it is over")
    func waiting() {
        var ends = LocalEnds<String, String>()
        ends.wait(keys[0])  // before it is there: an end may ask while it is made
        ends.insert("a", at: keys[0])
        ends.insert("b", at: keys[1])
        ends.wait(keys[1])
        ends.remove(keys[1])
        #expect(ends.hasWaiting)
        let waiting = ends.takeWaiting()
        #expect(waiting == ["a"] && !ends.hasWaiting)
    }

    @Test("nothing is connected any more for a stream that is over")
    func connecting() {
        var ends = LocalEnds<String, String>()
        var wanted = [ends.attempt("x", for: keys[0])]
        ends.begin(ServiceName("ssh"), of: friend, at: keys[0])
        ends.begin(ServiceName("ssh"), of: friend, at: keys[1])
        wanted += [ends.attempt("one", for: keys[0]), ends.attempt("two", for: keys[0])]
        let (end, use) = ends.close(keys[0])
        wanted += [ends.connected("late", for: keys[0]), ends.failed(for: keys[0])]
        #expect(end == nil && use?.attempts == ["one", "two"] && ends[keys[0]] == nil)
        wanted.append(ends.connected("b", for: keys[1]))
        #expect(wanted == [false, true, true, false, false, true] && ends[keys[1]] == "b")
        let attempts = ends.close(keys[1]).use?.attempts
        #expect(attempts == [])
    }

    @Test("the answer to an announcement answers all that it has replaced")
    func announcements() throws {
        let node = try HandmadePortal(
            node: .random(), reception: .hidden(EndpointPolicy(services: [], access: .anyone))
        ).node
        let ids = try (0..<3).map { _ in try node.announce(hidden: []) }
        var owed = OwedAnswers<Words>()
        for (id, word) in zip(ids, ["a", "b", "c"]) { owed.await(word, of: id) }
        let answered = [owed.answered(ids[1]), owed.answered(ids[0]), owed.portalEnded().announcements]
        #expect(answered == [["a", "b"], [], ["c"]])
    }

    @Test("a session's end ends what was asked in it, and nothing else")
    func sessions() throws {
        var owed = OwedAnswers<Words>()
        let inner = try portal.node.call(["whoami"], [], on: session)
        let outer = try portal.node.call(["whoami"], [], on: .outer)
        owed.await("inner", to: inner)
        owed.await("outer", to: outer)
        owed.await("tunnel", of: session)
        let early = owed.awaitEnd(of: session) { "end" }
        #expect(early == nil, "it does not stand yet")
        let established = [owed.established(session), owed.established(session)]
        #expect(established == ["tunnel", nil])
        let waiting = [owed.awaitEnd(of: session) { "end" }, owed.awaitEnd(of: session) { "other" }]
        #expect(waiting == ["end", "end"])
        let over = owed.ended(session)
        #expect(over.tunnel == nil && over.end == "end" && over.replies == ["inner"])
        let late = (owed.replied(to: inner), owed.awaitEnd(of: session) { "end" })
        #expect(late.0 == nil && late.1 == nil)
        let abandoned = (owed.abandoned().flatMap(\.replies), owed.abandoned().count)
        #expect(abandoned.0 == ["outer"] && abandoned.1 == 0)
    }
}
