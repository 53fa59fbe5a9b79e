import Blinding
import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A hidden endpoint")
struct HiddenAdmissionTests {
    @Test("admits whose token it is, several times over")
    func admits() throws {
        let stage = try HiddenStage()
        for entry in [HiddenStage.Entry.friend, .friend, .other, .invite] {
            let (peer, stream) = try stage.session(by: entry)
            #expect(peer.session.isOpen && stage.portal.outer.ends[stream] == nil)
        }
        #expect(stage.portal.node.tunnelCount == 4)
        #expect(
            stage.portal.nodeEvents == [
                .accepted(stage.friend.publicKey), .accepted(stage.friend.publicKey),
                .accepted(stage.other.publicKey), .invited(stage.invite.publicKey),
            ])
        stage.portal.wait(.seconds(11))
        #expect(stage.portal.node.tunnelCount == 3, "an invite is for redeeming, and that takes no 10 s")
        stage.portal.wait(.seconds(3600))
        #expect(stage.portal.node.tunnelCount == 3, "a friend is silent for as long as it likes")
    }

    @Test("announces its tokens in the order given, and nothing else of itself")
    func announcement() throws {
        let stage = try HiddenStage()
        let request = try #require(stage.portal.announcements.first)
        let texts = HiddenStage.Entry.allCases.compactMap { stage.tokens[$0]?.base64 }
        #expect(request.arguments == [["hidden": true, "tokens": .array(texts.map { .string($0) })]])
        #expect(stage.portal.tokenAnswers == [""])
    }

    /// Which of the stage's tokens are answered, not counting one call for each.
    private func answered(_ stage: HiddenStage) throws -> [HiddenStage.Entry] {
        let answered = try HiddenStage.Entry.allCases.filter { entry in
            let stream = try stage.portal.connect(stage.argument(stage.target(entry)))
            defer {
                stage.portal.outer.session.muxrpc.end(stream)
                stage.portal.run()
            }
            return stage.portal.outer.ends[stream] == nil
        }
        return answered
    }

    @Test("answers the former tokens and the next ones while it is not known which the portal has")
    func replacement() throws {
        let stage = try HiddenStage()
        let (friend, other) = (try #require(stage.entry(.friend)), try #require(stage.entry(.other)))
        try stage.announce([friend])
        #expect(try answered(stage) == [.friend])
        let (live, _) = try stage.session(by: .friend)

        _ = try stage.portal.node.announce(hidden: [other])
        stage.portal.run()
        #expect(try answered(stage) == [.friend, .other])
        stage.portal.refuse(try #require(stage.portal.announcements.last), "too many tokens")
        #expect(try answered(stage) == [.friend])

        // What knows no tokens, and says so in JavaScript's way.
        _ = try stage.portal.node.announce(hidden: [other])
        stage.portal.run()
        try stage.portal.answer(try #require(stage.portal.announcements.last), false)
        #expect(try answered(stage) == [.friend])

        try stage.announce([other])
        #expect(try answered(stage) == [.other])
        #expect(live.session.isOpen, "an announcement touches no session")
        #expect(stage.portal.tokenAnswers.dropFirst(2).map(\.isEmpty) == [false, false, true])
        #expect(stage.portal.tokenAnswers[2] == "too many tokens")
    }

    @Test("keeps one announcement outstanding, and only the newest waiting")
    func outstanding() throws {
        let stage = try HiddenStage()
        let entries = HiddenStage.Entry.allCases.compactMap(stage.entry)
        let announcements = try entries.map { try stage.portal.node.announce(hidden: [$0]) }
        stage.portal.run()
        #expect(announcements == announcements.sorted() && Set(announcements).count == announcements.count)
        #expect(stage.portal.announcements.count == 2)
        try stage.portal.answer(try #require(stage.portal.announcements.last), true)
        #expect(stage.portal.announcements.count == 3)
        #expect(try answered(stage) == [.friend, .ghost])
        try stage.portal.answer(try #require(stage.portal.announcements.last), true)
        #expect(try answered(stage) == [.ghost])
        #expect(stage.portal.tokenAnswers == ["", "", ""] && stage.portal.announcements.count == 3)
    }

    @Test("offers a portal what any endpoint does, and answers nothing that is for friends")
    func outerSurface() throws {
        let policy = EndpointPolicy(services: ["ssh"], access: .anyone, grantsCircle: true)
        let receptions: [NodeConnection.Reception] = [.none, .open(policy), .hidden(policy)]
        var manifests: [JSONValue] = []
        for reception in receptions {
            let portal = try HandmadePortal(node: .random(), reception: reception)
            let (whoami, ping) = (try portal.outer.call("whoami"), try portal.outer.call("tunnel.ping"))
            let manifest = try portal.outer.call("manifest")
            let calls = try ["invite.use", "circle.grant", "service.list", "room.metadata"].map {
                try portal.outer.call($0, [["feed": "@"]])
            }
            let streams = try ["service.open", "echo"].map {
                try portal.outer.open(.duplex, $0, [["name": "ssh"]])
            }
            portal.run()
            let own = JSONValue.string(portal.identity.publicKey.id)
            #expect(portal.outer.replies[whoami] == .value(["id": own]))
            #expect(portal.outer.replies[ping] == .value(7))
            for call in calls {
                guard case .failure(let error)? = portal.outer.replies[call] else {
                    Issue.record("answered")
                    continue
                }
                #expect(error.message.hasSuffix("is not in list of allowed methods"))
            }
            for stream in streams {
                #expect(portal.outer.ends[stream]?.hasSuffix("is not in list of allowed methods") == true)
            }
            #expect(portal.questions.isEmpty && portal.asked.isEmpty)
            if case .value(let value)? = portal.outer.replies[manifest] { manifests.append(value) }
        }
        #expect(manifests.count == 3 && manifests[1] == manifests[2])
        #expect(manifests[2]["tunnel"]?["connect"] == "duplex" && manifests[2].object?.members.count == 4)
    }
}
