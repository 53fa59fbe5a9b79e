import Multiserver
import PeerSupport
import Testing

extension Integration {
    @Suite("A portal whose members alone may call")
    struct MembersPortalTests {
        @Test("lets a member redeem an invite and call, and others hear what they lack")
        func members() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                _ = try await network.serve()
                let portal = ["portals", "add", network.portal.address]
                let seen = try await stage.run(home: "friend", portal)
                let id = try #require(seen.split(separator: " ").last.map(String.init))
                try await stage.run(home: "portal-1", ["portal", "members", "add", id])
                try await stage.run(home: "portal-1", ["portal", "policy", "--call", "members"])
                // A running portal follows within a second.
                while try await !network.turnsAway("stranger") { try Task.checkCancellation() }

                try await network.befriend("friend", "--identify")
                try await stage.run(home: "friend", ["call", FriendNetwork.petname, "whoami", "--identify"])
                try await stage.run(home: "friend", ["call", FriendNetwork.petname, "whoami"], code: 11)
            }
        }
    }
}

extension FriendNetwork {
    /// Whether the portal refuses to connect somebody who is no member, and says why.
    fileprivate func turnsAway(_ home: String) async throws -> Bool {
        let id = try await stage.id(home: Self.owner)
        let target = "tunnel:\(portal.peer.key.id):\(id):0~shs:\(id.dropFirst().dropLast(".ed25519".count))"
        let call = try stage.cway(home: home, ["call", target, "whoami", "--portal", portal.address])
        let ending = try await call.end()
        guard ending == .exit(11) else { return false }
        #expect(call.log.contains("--identify"))
        return true
    }
}
