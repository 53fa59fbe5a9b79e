import Blinding
import Multiserver
import MuxRPC
import PeerSupport
import Testing
import TypedSodium

extension Integration {
    @Suite("A portal that lies")
    struct LyingPortalTests {
        @Test("about what it can do hears a question or two, and no announcement")
        func features() async throws {
            let metadata: [JSONValue?] = [
                ["name": "old", "membership": false, "features": ["tunnel", "room1", "room2"]],
                ["features": "companionway1"], ["features": ["companionway1 "]], false, nil,
            ]
            for metadata in metadata {
                try await Stage.run { stage in
                    try await LyingPortal.run { liar in
                        liar.manner.update { $0.metadata = metadata }
                        let world = try await LiedTo.start(on: stage, at: liar)
                        try await world.server.logLine(with: "the portal cannot keep this node hidden")
                        let pseudonym = try world.pseudonym
                        let seen = try await liar.seen.first { seen in
                            seen.ended.contains { seen.peers[$0] == pseudonym } ? seen : nil
                        }
                        #expect(seen.announcements.isEmpty)
                        // `portals add` has looked whether the portal answers, and so shown itself once before.
                        #expect(Set(seen.peers.values) == [pseudonym] && seen.peers.count == 2)
                        #expect(
                            Set(seen.requests.values.joined()).isSubset(of: ["room.metadata", "tunnel.ping"]))
                        #expect(world.server.outputText.isEmpty, "no address is given out")
                    }
                }
            }
        }

        @Test("and calls by names that were not announced is refused in one way")
        func names() async throws {
            try await LiedTo.run { world, announcement in
                #expect(announcement.isHidden && announcement.tokens.count == 48)
                let (liar, owner) = (world.liar, world.owner.publicKey)
                let guesses = [
                    owner, try world.pseudonym, liar.identity.publicKey, world.friends[0].publicKey,
                    try Identity.random().publicKey,
                ]
                let announced = try #require(announcement.tokens.first)
                let targets =
                    guesses.map(\.id) + guesses.map { PairToken($0.bytes).target }
                    + [announced.base64, announced.target + " ", PublicKey(announced.bytes).id, ""]
                for target in targets {
                    for origin in [.null, .string(world.friends[0].publicKey.id)] as [JSONValue] {
                        // Even a friend's own key opens nothing here.
                        for identity in [world.friends[0], try .random()] {
                            let order = LiarCall.Order(
                                target: target, origin: origin, inside: (identity, owner))
                            let outcome = try await liar.call(order, on: announcement.connection)
                            #expect(outcome.ending == LiedTo.refusal(of: target))
                            #expect(outcome.innerByteCount == 0)
                        }
                    }
                }
            }
        }

        @Test("and calls by each announced token cannot tell a friend's from an invite's or a ghost's")
        func tokens() async throws {
            try await LiedTo.run { world, announcement in
                let (liar, owner) = (world.liar, world.owner.publicKey)
                let (friend, other) = (world.friends[0], world.friends[1])
                let (own, ghosts) = (try world.tokens(of: friend), try world.tokens(of: nil))
                #expect(own.count == 3 && ghosts.count == 39)
                #expect(Set(announcement.tokens).isSuperset(of: own + ghosts))

                // With the key and the token of a friend everything is as it should be, so refusals mean something.
                for token in own {
                    let order = LiarCall.Order(target: token.target, inside: (friend, owner))
                    #expect(try await liar.call(order, on: announcement.connection).ending == .admitted)
                }

                let stranger = try Identity.random()
                let guesses: [(Identity, PublicKey)] = [
                    (stranger, owner), (other, owner), (liar.identity, owner), (world.owner, owner),
                    (stranger, stranger.publicKey), (friend, try world.pseudonym),
                ]
                for (identity, endpoint) in guesses {
                    let tokens = announcement.tokens.filter { token in
                        (try? world.tokens(of: identity).contains(token)) != true
                    }
                    let outcomes = try await Self.each(tokens) { token in
                        let order = LiarCall.Order(
                            target: token.target, origin: .string(friend.publicKey.id),
                            inside: (identity, endpoint))
                        return (token.target, try await liar.call(order, on: announcement.connection))
                    }
                    for (target, outcome) in outcomes {
                        #expect(outcome.ending == LiedTo.refusal(of: target))
                        #expect(outcome.innerByteCount == 64, "the answer to the hello, and nothing more")
                    }
                }
            }
        }

        @Test("and says nothing inside hears nothing until the call is given up, whosever the token")
        func silence() async throws {
            try await LiedTo.run { world, announcement in
                let outcomes = try await Self.each(announcement.tokens) { token in
                    let order = LiarCall.Order(target: token.target)
                    return (token.target, try await world.liar.call(order, on: announcement.connection))
                }
                for (target, outcome) in outcomes {
                    #expect(outcome.ending == LiedTo.refusal(of: target) && outcome.innerByteCount == 0)
                }
            }
        }

        /// Runs a body for many tokens at a time, fewer than a connection's unfinished handshakes.
        private static func each<Value: Sendable>(
            _ tokens: [PairToken], _ body: @escaping @Sendable (PairToken) async throws -> Value
        ) async throws -> [Value] {
            #expect(tokens.count <= 48)
            return try await withThrowingTaskGroup { tasks in
                for token in tokens { tasks.addTask { try await body(token) } }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
        }
    }
}
