import Foundation
import PeerSupport
import Testing

extension Integration {
    @Suite("A friend's removal")
    struct RemovalTests {
        /// From the command's start to the last closed session.
        private static let limit = Duration.seconds(2)

        @Test("counts within 2 s, with the node running in another process, and for that friend alone")
        func removed() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage, friends: ["anna", "bert"])
                let server = try await network.serve(["echo": stage.service(.echo).port])
                for home in ["anna", "bert"] { try await network.befriend(home) }
                for words in ["an invite was redeemed", "friend connected"] {
                    let line = try await server.logLine(with: words)
                    #expect(line.contains("friend=anna id=@"), "\(line)")
                }
                let annas = try await network.openEcho(as: "anna")
                let berts = try await network.openEcho(as: "bert")
                let before = try await network.addresses()[0]
                for home in ["anna", "bert"] { try await stage.run(home: home, ["resolve", before]) }

                let start = ContinuousClock.now
                let command = try stage.cway(home: "owner", ["friend", "remove", "anna"])
                let received = try await annas.end(within: Self.limit)
                let time = ContinuousClock.now - start
                #expect(time < Self.limit && received.ending == .broken, "\(time)")
                #expect(try await command.end() == .exit(0), "\(command.log)")
                try await Self.expectAbsence(of: "anna", since: start, on: stage)

                // The other one's connection has not been touched, and its next connect renews its grant.
                try await berts.expectEcho("still here", after: "hello from bert")
                let after = try await network.addresses()[0]
                #expect(after != before)
                try await stage.run(home: "bert", ["resolve", after], code: 3)
                try await stage.run(home: "bert", ["call", FriendNetwork.petname, "service.list"])
                try await stage.run(home: "bert", ["resolve", after])
                try await stage.run(home: "bert", ["call", after, "service.list"])
                try await stage.run(home: "anna", ["resolve", after], code: 3)
                try await stage.run(home: "anna", ["call", after, "service.list"], code: 3)
            }
        }

        /// Sees that nobody lets a friend in any more, and that the portal forgets its tokens in time: it takes one
        /// announcement a second, and until then the owner's node turns the friend away itself.
        private static func expectAbsence(
            of home: String, since start: ContinuousClock.Instant, on stage: Stage
        ) async throws {
            var isLate = false
            while true {
                let call = try stage.cway(home: home, ["call", FriendNetwork.petname, "service.list"])
                let ending = try await call.end()
                if ending == .exit(12) { return }
                #expect(ending == .exit(13) && !isLate, "\(ending): \(call.log)")
                guard ending == .exit(13), !isLate else { return }
                isLate = ContinuousClock.now - start > limit
            }
        }

        @Test("holds against invites from before it, and not against later ones")
        func invites() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage, friends: ["anna", "bert"])
                let server = try await network.serve(["echo": stage.service(.echo).port])
                let older = try await FriendNetwork.invite("older", on: stage)
                try await network.befriend("anna")
                try await stage.run(home: "owner", ["friend", "remove", "anna"])
                let refused = try stage.cway(home: "anna", ["join", older])
                #expect(try await refused.end() == .exit(18), "\(refused.log)")
                #expect(refused.log.contains("has removed this node"), "\(refused.log)")
                let later = try await FriendNetwork.invite("anna", on: stage)
                try await network.join(later, as: "anna", while: server)
                await (try network.openEcho(as: "anna")).close()
            }
        }

        @Test("from a service closes its open streams within 2 s, and leaves the session")
        func service() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage, friends: ["anna", "bert"])
                let echo = try await stage.service(.echo).port
                _ = try await network.serve(["echo": echo, "other": echo])
                try await network.befriend("anna")
                let other = try await network.forward("other", as: "anna")
                let kept = try await LocalConnection.dial(other.port)
                try await kept.expectEcho("before")
                let lost = try await network.openEcho(as: "anna")

                let start = ContinuousClock.now
                let command = try stage.cway(
                    home: "owner", ["friend", "allow", "anna", "--service", "other"])
                let received = try await lost.end(within: Self.limit)
                #expect(ContinuousClock.now - start < Self.limit && received.ending == .broken)
                #expect(try await command.end() == .exit(0), "\(command.log)")
                try await kept.expectEcho("after", after: "before")
                let list = try await stage.run(home: "anna", ["call", FriendNetwork.petname, "service.list"])
                #expect(list == "[\"other\"]")
                try await stage.run(
                    home: "anna", ["connect", FriendNetwork.petname, "echo", "--stdio"], code: 14)
            }
        }
    }
}

extension LocalConnection {
    /// Sends another text through an echo service, behind what has come back before.
    func expectEcho(_ text: String, after before: String) async throws {
        try await send(text)
        let whole = before + text
        #expect(try await self.text(whole.utf8.count) == whole)
    }
}
