import Connection
import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("An invite to a portal")
struct PortalInviteTests {
    private let invite: Identity
    private let feed: PublicKey
    private let world: PortalWorld
    private let closed: PortalPolicy

    init() throws {
        invite = try .random()
        feed = try Identity.random().publicKey
        let policy = PortalPolicy(announcers: .members, callers: .members, invites: [invite.publicKey])
        closed = policy
        world = try PortalWorld {
            $0.policy = policy
            $0.redeem = { _, _ in .refused("the world asks instead") }
        }
    }

    private func use(_ holder: SessionPeer, for feed: PublicKey) throws -> RequestNumber {
        try holder.call("invite.use", [["feed": .string(feed.id)]])
    }

    @Test("lets its holder redeem it, ask who is there, and nothing else")
    func methods() throws {
        let (holder, link) = try world.connect(invite)
        let allowed = try ["whoami", "tunnel.ping", "room.metadata", "manifest"].map { try holder.call($0) }
        let calls = try ["tunnel.announce", "tunnel.leave"].map { ($0, try holder.call($0)) }
        let streams = try ["tunnel.endpoints", "room.attendants", "room.members"].map {
            ($0, try holder.open(.source, $0))
        }
        let tunnel = try holder.connect(to: feed.id)
        world.run()
        for call in allowed {
            guard case .value? = holder.replies[call] else {
                Issue.record("refused")
                return
            }
        }
        func refusal(_ name: String) -> String {
            "method:\(name.replacing(".", with: ",")) is not in list of allowed methods"
        }
        for (name, call) in calls { #expect(holder.refusal(call) == refusal(name)) }
        for (name, stream) in streams { #expect(holder.ends[stream] == refusal(name)) }
        #expect(holder.ends[tunnel] == refusal("tunnel.connect"))
        #expect(link.connection.phase == .running && world.questions.isEmpty)
    }

    @Test("makes a member, whose owner answers when it likes, and hears so before it is closed")
    func redeems() throws {
        let (holder, link) = try world.connect(invite)
        let call = try use(holder, for: feed)
        world.run()
        #expect(world.questions.map(\.question.invite) == [invite.publicKey])
        #expect(world.questions.map(\.question.feed) == [feed] && holder.replies[call] == nil)
        // The owner stores the member and takes the used-up invite away, then answers.
        var policy = closed
        policy.members = [feed]
        policy.invites = []
        world.portal.update(policy)
        world.wait(.seconds(5))
        #expect(link.connection.phase == .running)
        world.answer(.admitted)
        #expect(holder.isDone(call) && holder.hasGoodbye && link.connection.phase == .finished)
    }

    @Test("is answered in the owner's words, and may be tried again")
    func refused() throws {
        let (holder, link) = try world.connect(invite)
        for words in ["invite used up", "invite revoked", "invite expired"] {
            let call = try use(holder, for: feed)
            world.run()
            world.answer(.refused(words))
            #expect(holder.refusal(call) == words)
        }
        #expect(link.connection.phase == .running)
    }

    @Test("has one question out at a time, and none that is malformed")
    func oneAtATime() throws {
        let (holder, _) = try world.connect(invite)
        let wrong = try [[], [nil], [["feed": "@x"]], [["feed": .string(invite.publicKey.id)]]].map {
            try holder.call("invite.use", $0)
        }
        let first = try use(holder, for: feed)
        let more = try (0..<3).map { _ in try use(holder, for: feed) }
        world.run()
        #expect(wrong.allSatisfy { holder.refusal($0) == "invite.use: invalid arguments" })
        #expect(more.allSatisfy { holder.refusal($0) == "invite.use: one at a time" })
        #expect(world.questions.count == 1)
        world.answer(.admitted)
        #expect(holder.isDone(first))
    }

    @Test("does not keep a connection that is denied, or a question of one that has gone")
    func endings() throws {
        let (holder, link) = try world.connect(invite)
        _ = try use(holder, for: feed)
        world.run()
        var policy = closed
        policy.denied = [invite.publicKey]
        world.portal.update(policy)
        world.run()
        #expect(link.connection.phase == .finished && holder.hasGoodbye)
        world.answer(.admitted)
        world.portal.update(closed)
        let (gone, goneLink) = try world.connect(invite)
        _ = try use(gone, for: feed)
        world.run()
        world.drop(goneLink)
        world.answer(.admitted)
        #expect(gone.replies.isEmpty)
    }

    @Test("means nothing to members and strangers, or where nobody decides")
    func others() throws {
        let (member, stranger) = (try Identity.random(), try Identity.random())
        world.portal.update(PortalPolicy(members: [member.publicKey]))
        for identity in [member, stranger] {
            let (peer, _) = try world.connect(identity)
            let call = try use(peer, for: feed)
            world.run()
            #expect(peer.refusal(call) == "method:invite,use is not in list of allowed methods")
        }
        let other = try PortalWorld { [closed] in $0.policy = closed }
        let (holder, _) = try other.connect(invite)
        let call = try use(holder, for: feed)
        other.run()
        #expect(holder.refusal(call) == "this portal has no invites")
    }
}
