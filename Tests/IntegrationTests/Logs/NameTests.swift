import Foundation
import Glibc
import PeerSupport
import Testing

extension Integration {
    /// How an owner reads of friends: by the names that they have here.
    @Suite("The owner's log")
    struct NameTests {
        @Test("names friends and invites as the owner does, and calls a session complete that ended so")
        func names() async throws {
            try await Stage.run { stage in
                let echo = try await stage.service(.echo).port
                let network = try await FriendNetwork.start(on: stage)
                let server = try await network.serve(["echo": echo], logLevel: "info")
                try await network.befriend("friend")
                let id = try await stage.id(home: "friend")
                // As ssh does with its ProxyCommand: the end of the input, then SIGHUP.
                let input = Pipe()
                let pipe = try stage.cway(
                    home: "friend", ["connect", FriendNetwork.petname, "echo", "--stdio"],
                    input: input.fileHandleForReading)
                try input.fileHandleForWriting.write(contentsOf: Data("hello\n".utf8))
                #expect(try await pipe.line() == "hello")
                try input.fileHandleForWriting.close()
                pipe.signal(SIGHUP)
                #expect(try await pipe.end() == .exit(0), "\(pipe.log)")

                let closed = try await server.logLine(with: "service closed")
                #expect(closed.contains("end=complete"), "\(closed)")
                let lines = server.log.split(separator: "\n")
                let ofFriend = lines.filter { $0.contains(id) }
                #expect(
                    ofFriend.count >= 3 && ofFriend.allSatisfy { $0.contains("friend=friend") }, "\(lines)")
                let ofInvite = lines.filter { $0.contains("invite=") }
                #expect(
                    ofInvite.count >= 2 && ofInvite.allSatisfy { $0.contains("label=friend") }, "\(lines)")
            }
        }
    }
}
