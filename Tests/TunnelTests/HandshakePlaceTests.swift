import Blinding
import Connection
import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("The places for unfinished handshakes")
struct HandshakePlaceTests {
    /// Ghosts' tokens: whoever calls by them is treated like a friend until the proof.
    private func ghosts(_ count: Int) throws -> [TokenEntry] {
        try (0..<count).map { index in
            let token = try FixedBytes<32>([UInt8](repeating: UInt8(index), count: 32))
            return TokenEntry(token: PairToken(token), owner: nil)
        }
    }

    private func stage(_ ghosts: [TokenEntry]) throws -> HiddenStage {
        let stage = try HiddenStage()
        try stage.announce(HiddenStage.Entry.allCases.compactMap(stage.entry) + ghosts)
        return stage
    }

    /// Calls silently; how that ended at once.
    @discardableResult
    private func call(_ stage: HiddenStage, _ target: String) throws -> String? {
        let stream = try stage.portal.connect(stage.argument(target))
        return stage.portal.outer.ends[stream]
    }

    @Test("are shared fairly: one token gets all but an eighth, the next one that")
    func shares() throws {
        let ghosts = try ghosts(2)
        let stage = try stage(ghosts)
        for _ in 0..<224 { #expect(try call(stage, ghosts[0].token.target) == nil) }
        #expect(try call(stage, ghosts[0].token.target) == ErrorText.busy)
        for _ in 0..<20 { #expect(try call(stage, ghosts[1].token.target) == nil) }
        let (friend, _) = try stage.session(by: .friend)
        #expect(friend.session.isOpen, "a friend's handshake is over in no time")
        #expect(stage.portal.node.accounts.handshakeCount == 244)
        for target in [stage.unknownToken.target, stage.endpoint.publicKey.id] {
            #expect(try call(stage, target) == "could not connect to:\(target)")
        }
        stage.portal.wait(.seconds(2))
        #expect(stage.portal.node.accounts.handshakeCount == 0 && stage.portal.node.tunnelCount == 1)
    }

    @Test("the oldest gives way that has kept us waiting for over a second, of whoever has most")
    func givingWay() throws {
        let ghosts = try ghosts(60)
        let stage = try stage(ghosts)
        let small = try stage.portal.connect(stage.argument(ghosts[1].token.target))
        stage.portal.wait(.milliseconds(100))
        let first = try stage.portal.connect(stage.argument(ghosts[0].token.target))
        for _ in 0..<222 { try call(stage, ghosts[0].token.target) }
        for ghost in ghosts[2...33] { #expect(try call(stage, ghost.token.target) == nil) }
        #expect(try call(stage, ghosts[34].token.target) == ErrorText.busy, "nobody is late")
        stage.portal.wait(.milliseconds(1_001))
        #expect(try call(stage, ghosts[35].token.target) == nil)
        #expect(stage.portal.outer.ends[first] == ErrorText.busy)
        #expect(stage.portal.outer.ends[small] == nil, "older, and alone")
        #expect(stage.portal.node.accounts.handshakeCount == 256)
    }

    @Test("one that has shown its proof keeps its place, and so does one that has just been answered")
    func proofs() throws {
        let ghosts = try ghosts(2)
        let stage = try stage(ghosts)
        stage.portal.looksAtOnce = false
        for _ in 0..<224 {
            _ = try stage.portal.friend(
                stage.argument(ghosts[0].token.target), of: stage.endpoint.publicKey, as: stage.stranger)
        }
        stage.portal.wait(.milliseconds(1_500))
        #expect(try call(stage, ghosts[0].token.target) == ErrorText.busy)
        stage.portal.look()
        #expect(stage.portal.node.accounts.handshakeCount == 0)
        #expect(try call(stage, ghosts[0].token.target) == nil)
    }

    @Test("belong to all portals together")
    func overPortals() throws {
        let accounts = EndpointAccounts()
        let (one, other) = (try HiddenStage(accounts: accounts), try HiddenStage(seed: 2, accounts: accounts))
        for _ in 0..<224 { try call(one, one.target(.ghost)) }
        #expect(accounts.handshakeCount == 224)
        for _ in 0..<32 { #expect(try call(other, other.target(.friend)) == nil) }
        #expect(try call(other, other.target(.friend)) == ErrorText.busy)
        one.portal.node.close(at: one.portal.now)
        one.portal.run()
        #expect(accounts.handshakeCount == 32)
        #expect(try call(other, other.target(.friend)) == nil)
    }
}
