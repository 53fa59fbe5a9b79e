import Blinding
import Multiserver
import MuxRPC
import NIOCore
import PeerSupport
import Testing
import TypedSodium

extension Integration {
    @Suite("A call that the portal passes on")
    struct SwappedCallTests {
        private static let names = ["anna", "bert"]

        /// The owner with two friends that are processes, who have become friends through the portal that lies.
        private func run(_ body: (LiedTo, _ ids: [String: String]) async throws -> Void) async throws {
            try await Stage.run { stage in
                try await LyingPortal.run { liar in
                    let codes = Watched<[String: String]>([:])
                    let world = try await LiedTo.start(on: stage, at: liar, friendCount: 0) { stage in
                        for name in Self.names {
                            let code = try await FriendNetwork.invite(name, on: stage)
                            codes.update { $0[name] = code }
                        }
                    }
                    _ = try await world.server.line()
                    var ids: [String: String] = [:]
                    for (name, code) in codes.value {
                        try await stage.run(home: name, ["join", code, "--name", FriendNetwork.petname])
                        ids[name] = try await stage.id(home: name)
                    }
                    try await body(world, ids)
                }
            }
        }

        private func whoami(_ stage: Stage, as home: String) async throws -> String {
            try await stage.run(home: home, ["call", FriendNetwork.petname, "whoami"])
        }

        @Test("with an origin that is not the caller's is the caller's all the same")
        func origin() async throws {
            try await run { world, ids in
                let (anna, bert) = (try #require(ids["anna"]), try #require(ids["bert"]))
                let origins: [JSONValue] = [
                    .string(bert), .string(anna), .string(world.owner.publicKey.id), .null, 7, "@",
                    ["id": "x"],
                ]
                for origin in origins {
                    world.liar.manner.update { $0.passOn = { .init(target: $0.target, origin: origin) } }
                    #expect(try await whoami(world.stage, as: "anna").contains(anna))
                }
            }
        }

        @Test("by another's token ends in the inner handshake, as by a ghost's")
        func token() async throws {
            try await run { world, ids in
                let (stage, liar) = (world.stage, world.liar)
                var tokens: [String: String] = [:]
                for name in Self.names {
                    #expect(try await whoami(stage, as: name).contains(try #require(ids[name])))
                    tokens[name] = liar.seen.value.targets.last
                }
                tokens["ghost"] = try world.tokens(of: nil).first?.target
                tokens["nobody"] = PairToken(try Identity.random().publicKey.bytes).target
                #expect(Set(tokens.values).count == 4)

                var complaints: [Int32: Set<String>] = [:]
                for (name, other) in [("anna", "bert"), ("bert", "anna")] {
                    for (wrong, code) in [(other, 13), ("ghost", 13), ("nobody", 12)] as [(String, Int32)] {
                        let (token, id) = (try #require(tokens[wrong]), try #require(ids[other]))
                        liar.manner.update {
                            $0.passOn = { _ in .init(target: token, origin: .string(id)) }
                        }
                        let call = try stage.cway(
                            home: name, ["call", FriendNetwork.petname, "service.list"])
                        #expect(try await call.end() == .exit(code) && call.outputText.isEmpty, "\(call.log)")
                        complaints[code, default: []].insert(call.log)
                    }
                }
                #expect(complaints.values.allSatisfy { $0.count == 1 }, "\(complaints)")
                // Who came with a good proof of the wrong key is named to the owner.
                try await world.server.logLines(2, with: "refused: not allowed")
                liar.manner.update { $0.passOn = { $0 } }
                for name in Self.names {
                    #expect(try await whoami(stage, as: name).contains(try #require(ids[name])))
                }
            }
        }

        @Test("says nothing to the portal that can be said once more")
        func replayed() async throws {
            try await run { world, _ in
                let liar = world.liar
                _ = try await whoami(world.stage, as: "anna")
                let seen = liar.seen.value
                let (target, said) = (try #require(seen.targets.last), try #require(seen.said.last))
                // The hello, the proof, and what came behind it.
                #expect(said.count > 2 && said[0].readableBytes == 64 && said[1].readableBytes == 112)
                let connection = try #require(seen.announcements.last).connection
                let atOnce = said.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
                // The hello is answered, also where the proof came with it, and nothing behind that.
                for pieces in [said, [atOnce]] {
                    let order = LiarCall.Order(target: target, replayed: pieces)
                    let outcome = try await liar.call(order, on: connection)
                    #expect(outcome.ending == LiedTo.refusal(of: target) && outcome.innerByteCount == 64)
                }
            }
        }
    }
}
