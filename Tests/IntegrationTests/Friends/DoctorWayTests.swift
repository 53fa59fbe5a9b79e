import Multiserver
import PeerSupport
import Testing

extension Integration {
    /// What `cway doctor` finds beyond its own node: at portals for members alone, and on machines that only call.
    @Suite("The doctor on its ways")
    struct DoctorWayTests {
        @Test("goes the ways to the friends of a machine that only calls, and misses no serving node there")
        func client() async throws {
            try await Stage.run { stage in
                let echo = try await stage.service(.echo).port
                let network = try await FriendNetwork.start(on: stage)
                let server = try await network.serve(["echo": echo])
                try await network.befriend("friend")
                let found = try await stage.run(home: "friend", ["doctor"])
                let hop = "friend \(FriendNetwork.petname) at \(network.portal.peer.net.hostAndPort): "
                for words in ["connected in", "it offers echo", "its sealed addresses can be resolved here"] {
                    #expect(found.contains(hop + words), "\(found)")
                }
                #expect(found.contains("this node only calls") && !found.contains("cway serve"), "\(found)")
                #expect(!found.contains("portals: there is none"), "\(found)")

                server.signal(15)
                try await server.end()
                let away = try await stage.run(home: "friend", ["doctor"], code: 24)
                #expect(away.contains("your friend's node is not at the portal now"), "\(away)")
                // Where there is somebody to be served, that nobody does is worth a word.
                let owner = try await stage.run(home: FriendNetwork.owner, ["doctor"])
                #expect(owner.contains("no node serves from this keyring"), "\(owner)")
            }
        }

        @Test("says of a portal that members alone may call there, and whom to ask for what")
        func membersCall() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let server = try await network.serve()
                try await network.befriend("friend")
                let keys = try await Self.keys(on: stage, at: network)
                try await stage.run(home: "portal-1", ["portal", "policy", "--call", "members"])
                let stranger = try await stage.untilFound(
                    "members alone", home: "friend", ["doctor", "home"])
                #expect(stranger.contains("members add \(keys.friend)`"), "\(stranger)")
                #expect(stranger.contains("--identify"), "\(stranger)")
                let refused = try await stage.run(home: "friend", ["doctor", "home", "--identify"], code: 24)
                #expect(refused.contains("this node is none"), "\(refused)")
                #expect(
                    refused.contains("→ ask its operator to run `cway portal members add \(keys.friend)`"))

                let owner = try await stage.run(home: FriendNetwork.owner, ["doctor"])
                #expect(owner.contains("members add \(keys.owner)`") && !owner.contains("not announced"))
                for key in [keys.friend, keys.owner] {
                    try await stage.run(home: "portal-1", ["portal", "members", "add", key])
                }
                let member = try await stage.untilFound(
                    "connected in", home: "friend", ["doctor", "home", "--identify"])
                #expect(!member.contains("✗"), "\(member)")
                _ = try await stage.untilFound(
                    "this node is announced", home: FriendNetwork.owner, ["doctor", "--identify"])
                _ = server
            }
        }

        @Test("says of a portal for members alone what may keep a node out, and whom to ask")
        func membersOnly() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let keys = try await Self.keys(on: stage, at: network)
                try await stage.run(
                    home: "portal-1", ["portal", "policy", "--call", "members", "--announce", "members"])
                let found = try await stage.untilFound(
                    "refused the handshake", home: FriendNetwork.owner, ["doctor"])
                #expect(found.contains("admits its members alone") && found.contains(keys.owner), "\(found)")
                let identified = try await stage.run(
                    home: FriendNetwork.owner, ["doctor", "--identify"], code: 24)
                #expect(identified.contains("does not admit this node"), "\(identified)")
                try await stage.run(home: "portal-1", ["portal", "members", "add", keys.owner])
                let member = try await stage.untilFound(
                    "reached in", home: FriendNetwork.owner, ["doctor", "--identify"])
                #expect(!member.contains("✗"), "\(member)")
            }
        }

        /// The keys that the portal knows two nodes by, as `cway portals add` prints them.
        private static func keys(
            on stage: Stage, at network: FriendNetwork
        ) async throws -> (friend: String, owner: String) {
            func key(_ home: String) async throws -> String {
                let said = try await stage.run(home: home, ["portals", "add", network.portal.address])
                return try #require(said.split(separator: " ").last.map(String.init))
            }
            return (try await key("friend"), try await key(FriendNetwork.owner))
        }
    }
}

extension Stage {
    /// Runs `cway` until it prints these words: a running portal follows a change within a second.
    fileprivate func untilFound(_ words: String, home: String, _ arguments: [String]) async throws -> String {
        while true {
            try Task.checkCancellation()
            let process = try cway(home: home, arguments)
            try await process.end()
            if process.outputText.contains(words) { return process.outputText }
        }
    }
}
