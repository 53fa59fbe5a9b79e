import Blinding
import Invitation
import Keyring
import Multiserver
import Node
import PeerSupport
import PortalCore
import Testing
import TypedSodium

extension Integration {
    @Suite("Chain keys")
    struct ChainKeyTests {
        private static let secondsPerDay: UInt64 = 86_400

        /// Who lives in a home, which is made.
        private func identity(_ home: String, on stage: Stage) async throws -> Identity {
            _ = try await stage.id(home: home)
            return try SecretFile(in: Home(path: stage.path(home), environment: [:])).load()
        }

        private func keyring(_ home: String, of owner: Identity, on stage: Stage, now: UInt64) throws
            -> Keyring
        {
            try Keyring(folder: stage.path(home), owner: EndpointKey(owner.publicKey), now: now)
        }

        @Test("of the former generation are nowhere once a friend is removed and the others came by")
        func removal() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage, friends: ["anna", "bert"])
                let server = try await network.serve(["echo": stage.service(.echo).port])
                for home in ["anna", "bert"] { try await network.befriend(home) }
                let forwarding = try await network.forward("echo", as: "bert")
                let connection = try await LocalConnection.dial(forwarding.port)
                try await connection.expectEcho("before")

                let owner = try await identity(FriendNetwork.owner, on: stage)
                let bert = try await identity("bert", on: stage)
                let now = WallClock.seconds()
                var old = ChainKeys()
                do {
                    let keyring = try keyring(FriendNetwork.owner, of: owner, on: stage, now: now)
                    let tomorrow = try #require(Epoch(unixSeconds: now).next)
                    try old.add(keyring.circle.grant(name: "x", now: now), through: tomorrow)
                }
                for home in [FriendNetwork.owner, "bert"] {
                    let vault = try old.addVault(of: home, on: stage)
                    #expect(try old.found(inHome: home, on: stage) == vault, "chain keys are sealed")
                }

                try await stage.run(home: FriendNetwork.owner, ["friend", "remove", "anna"])
                #expect(try old.found(inHome: FriendNetwork.owner, on: stage).isEmpty)
                try await stage.run(home: "bert", ["call", FriendNetwork.petname, "service.list"])
                try await connection.expectEcho("after", after: "before")
                for home in [FriendNetwork.owner, "bert"] {
                    #expect(try old.found(inHome: home, on: stage).isEmpty)
                }
                #expect(try old.found(in: server, of: owner) == [])
                // Where the grant's text lay when it came, the friend's allocator may still have it.
                let left = try old.found(in: forwarding.process, of: bert)
                #expect(left.allSatisfy { $0.hasPrefix("chain key") && $0.hasSuffix("base64") }, "\(left)")
            }
        }

        /// The keyrings are made on a day long ago; the nodes that open them move on when a portal confirms the clock,
        /// just as they do at midnight.
        @Test("of the days before yesterday are nowhere once a node runs", arguments: [3, 40] as [UInt64])
        func rotation(_ days: UInt64) async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage)
                let owner = try await identity("owner", on: stage)
                let friend = try await identity("friend", on: stage)
                let now = WallClock.seconds()
                let then = now - days * Self.secondsPerDay
                let old = try outdatedKeyrings(of: owner, and: friend, at: portal, on: stage, then, now: now)

                let echo = try await stage.service(.echo).port
                let server = try stage.cway(
                    home: "owner", ["serve", "--log-level", "trace", "--service", "echo=127.0.0.1:\(echo)"])
                _ = try await server.line()
                let forwarding = try stage.cway(
                    home: "friend",
                    [
                        "connect", owner.publicKey.id, "echo", "--listen", "127.0.0.1:0", "--log-level",
                        "trace",
                    ])
                let line = try await forwarding.line()
                let port = try #require(line.split(separator: ":").last.flatMap { Int($0) })
                let connection = try await LocalConnection.dial(port)
                try await connection.expectEcho("hello")
                try await stage.run(home: "friend", ["call", owner.publicKey.id, "service.list"])

                for (home, process, identity) in [
                    ("owner", server, owner), ("friend", forwarding, friend),
                ] {
                    #expect(try old.found(inHome: home, on: stage).isEmpty, "\(home): \(process.log)")
                    #expect(try old.found(in: process, of: identity).isEmpty, "\(home)")
                }
                // What they have now still is the same circle: today's address can be told.
                let address = try await stage.run(home: "owner", ["address", "--form", "sealed"])
                try await stage.run(home: "friend", ["resolve", address])
            }
        }

        /// Makes both keyrings as they were on an earlier day, and gives the keys of all days before yesterday.
        private func outdatedKeyrings(
            of owner: Identity, and friend: Identity, at portal: TestNetwork.Portal, on stage: Stage,
            _ then: UInt64, now: UInt64
        ) throws -> ChainKeys {
            var old = ChainKeys()
            let owners = try keyring("owner", of: owner, on: stage, now: then)
            let place = try PortalAddress(
                key: PortalKey(portal.peer.key), host: portal.peer.net.host, port: portal.peer.net.port,
                isOpen: false)
            try owners.portals.add(place, now: then)
            try owners.friends.admit(friend.publicKey, name: "friend", services: .all, now: then)
            let grant = try owners.circle.grant(name: "home", now: then)
            let yesterday = try #require(Epoch(unixSeconds: now).previous)
            try old.add(grant, through: try #require(yesterday.previous))
            let friends = try keyring("friend", of: friend, on: stage, now: then)
            try friends.friends.admit(owner.publicKey, name: "home", services: .only([]), now: then)
            #expect(try friends.circle.take(grant, from: EndpointKey(owner.publicKey), now: then) == .taken)
            for home in ["owner", "friend"] {
                let vault = try old.addVault(of: home, on: stage)
                #expect(try old.found(inHome: home, on: stage) == vault)
            }
            return old
        }
    }
}
