import Connection
import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("The places for sessions")
struct SessionPlaceTests {
    private func message(_ reply: Reply?) -> String? {
        if case .failure(let error)? = reply { error.message } else { nil }
    }

    /// Whether a session was let in; one that was not is told inside, as busy, and ended.
    private func isLetIn(_ peer: SessionPeer, _ stage: HiddenStage) throws -> Bool {
        let call = try peer.call("whoami")
        stage.portal.run()
        guard message(peer.replies[call]) == ErrorText.tooManySessions else { return true }
        #expect(peer.hasGoodbye && peer.hasEnded)
        return false
    }

    /// A friend's sessions, half a second apart.
    private func sessions(_ count: Int, _ stage: HiddenStage, by entry: HiddenStage.Entry = .friend) throws
        -> [SessionPeer]
    {
        try (0..<count).map { _ in
            stage.portal.wait(.milliseconds(500))
            return try stage.session(by: entry).0
        }
    }

    @Test("a friend has 64; then its own longest idle one without a stream gives way")
    func ownIdle() throws {
        let stage = try HiddenStage()
        let peers = try sessions(64, stage)
        #expect(peers.allSatisfy { $0.session.isOpen && !$0.hasGoodbye })
        _ = try peers[0].open(.duplex, "echo")
        stage.portal.run()
        #expect(try isLetIn(peers[1], stage))  // it has just spoken
        let (bystander, _) = try stage.session(by: .other)
        let more = try sessions(2, stage)
        #expect(try isLetIn(more[0], stage) && isLetIn(more[1], stage))
        #expect(!peers[0].hasGoodbye && !peers[1].hasGoodbye && !bystander.hasGoodbye)
        #expect(peers[2].hasGoodbye && peers[3].hasGoodbye && !peers[4].hasGoodbye)
        #expect(stage.portal.nodeEvents.filter { $0 == .gaveWay(stage.friend.publicKey) }.count == 2)
        #expect(stage.portal.node.accounts.sessionCount == 65)
    }

    @Test(
        "when all have a stream the newest is told inside, and its place among the handshakes is free again")
    func allBusy() throws {
        let stage = try HiddenStage()
        let peers = try sessions(64, stage)
        for peer in peers { _ = try peer.open(.duplex, "echo") }
        stage.portal.run()
        let late = try sessions(1, stage)[0]
        #expect(stage.portal.node.accounts.handshakeCount == 1)
        #expect(try !isLetIn(late, stage))
        #expect(stage.portal.node.accounts.handshakeCount == 0 && stage.portal.node.tunnelCount == 64)
        #expect(stage.portal.nodeEvents.last == .turnedAway(stage.friend.publicKey))
        // One that asks nothing is ended too.
        _ = try sessions(1, stage)
        stage.portal.wait(.seconds(2))
        #expect(stage.portal.node.accounts.handshakeCount == 0 && stage.portal.node.tunnelCount == 64)
        // And when a stream is over there is one to give way.
        peers[9].session.close()
        stage.portal.run()
        #expect(try isLetIn(try sessions(1, stage)[0], stage))
    }

    @Test("a key begins 32 at once, as thirty parallel connections do, and 2 a second")
    func rate() throws {
        let stage = try HiddenStage()
        func begin(_ count: Int) throws -> Int {
            try (0..<count).count { _ in try isLetIn(try stage.session(by: .friend).0, stage) }
        }
        #expect(try begin(34) == 32)
        let (other, _) = try stage.session(by: .other)
        #expect(try isLetIn(other, stage))
        stage.portal.wait(.seconds(2))
        #expect(try begin(6) == 4)
        #expect(stage.portal.node.accounts.handshakeCount == 0)
    }

    @Test("an invite has 16, each until its invite.use is answered, or for 10 s")
    func invites() throws {
        let stage = try HiddenStage()
        let peers = try (0..<16).map { _ in try stage.session(by: .invite).0 }
        #expect(try peers.allSatisfy { try isLetIn($0, stage) })
        #expect(try !isLetIn(try stage.session(by: .invite).0, stage))
        let (friend, _) = try stage.session(by: .friend)
        #expect(try isLetIn(friend, stage))
        _ = try peers[0].call("invite.use", [nil])
        stage.portal.run()
        #expect(peers[0].hasGoodbye && stage.portal.node.accounts.sessionCount == 16)
        #expect(try isLetIn(try stage.session(by: .invite).0, stage))
        stage.portal.wait(.milliseconds(9_999))
        #expect(stage.portal.node.accounts.sessionCount == 17)
        stage.portal.wait(.milliseconds(1))
        #expect(stage.portal.node.accounts.sessionCount == 1 && !friend.hasGoodbye)
    }

    @Test("two hundred redeem one invite within a minute")
    func joining() throws {
        let stage = try HiddenStage()
        var count = 0
        for _ in 0..<200 {
            stage.portal.wait(.milliseconds(250))
            let (peer, _) = try stage.session(by: .invite)
            let call = try peer.call("invite.use", [nil])
            stage.portal.run()
            if message(peer.replies[call]) == ErrorText.invalidInviteUse { count += 1 }
        }
        #expect(count == 200)
    }

    @Test("a friend has 8 however short they are, and who has many gives way for that")
    func assured() throws {
        var limits = EndpointAccounts.Limits()
        limits.sessions = 40
        let stage = try HiddenStage(accounts: EndpointAccounts(limits))
        let many = try sessions(40, stage)
        let idle = many.filter { !$0.hasGoodbye }.count
        #expect((25..<40).contains(idle), "what is unused is lent, the reserve is not")
        let few = try sessions(8, stage, by: .other)
        #expect(try few.allSatisfy { try isLetIn($0, stage) })
        #expect(few.allSatisfy { !$0.hasGoodbye })
        #expect(many.filter { !$0.hasGoodbye }.count >= 8)
        #expect(stage.portal.node.accounts.sessionCount <= 40)
    }

    @Test("a key's are counted over all portals, and one gives way at another")
    func overPortals() throws {
        let accounts = EndpointAccounts()
        let (one, other) = (try HiddenStage(accounts: accounts), try HiddenStage(accounts: accounts))
        let peers = try sessions(64, one)
        other.portal.wait(.seconds(60))
        let late = try sessions(1, other)[0]
        one.portal.run()
        #expect(try isLetIn(late, other))
        #expect(peers[0].hasGoodbye && !peers[1].hasGoodbye)
        #expect(accounts.sessionCount == 64 && one.portal.node.tunnelCount == 63)
        one.portal.node.close(at: one.portal.now)
        one.portal.run()
        #expect(accounts.sessionCount == 1)
    }
}
