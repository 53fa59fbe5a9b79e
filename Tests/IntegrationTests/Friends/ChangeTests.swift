import Foundation
import Glibc
import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("A change from another process")
    struct ChangeTests {
        /// From a command's end to what it changes at the running node.
        private static let limit = Duration.seconds(2)

        @Test("of the portals counts at once, and disturbs nobody at the others")
        func portals() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let server = try await network.serve(["echo": stage.service(.echo).port])
                try await network.befriend("friend")
                let kept = try await network.openEcho(as: "friend")
                let second = try await TestNetwork.Portal.start(on: stage, home: "portal-2")
                let id = try await stage.id(home: FriendNetwork.owner)

                let added = try await stage.run(
                    home: FriendNetwork.owner, ["portals", "add", second.address])
                let pseudonym = try #require(added.split(separator: " ").last)
                let departure = "peer=\(pseudonym) reason=goodbye"
                _ = try await server.lines(2, within: Self.limit)
                try await Self.expectPortals([true, true], ofFriendOn: stage)

                let name = "127.0.0.1:\(second.port)"
                try await stage.run(home: FriendNetwork.owner, ["portals", "open", name])
                let plain = try await server.line(within: Self.limit) { $0.contains(id) }
                try await second.process.logLine(with: departure, within: Self.limit)
                #expect(try await Self.list(at: second, on: stage).contains(id))
                try await Self.expectPortals([true, false], ofFriendOn: stage)
                // The friend knows where the portal is.
                try await stage.run(home: "friend", ["call", plain, "service.list"])

                try await stage.run(home: FriendNetwork.owner, ["portals", "hide", name])
                _ = try await server.lines(4, within: Self.limit)
                #expect(try await !Self.list(at: second, on: stage).contains(id))
                try await Self.expectPortals([true, true], ofFriendOn: stage)

                try await stage.run(home: FriendNetwork.owner, ["portals", "remove", name])
                try await Self.expectNoConnection(to: second.port)
                try await Self.expectPortals([true], ofFriendOn: stage)
                try await kept.expectEcho("still here", after: "hello from friend")
            }
        }

        /// Sees that a friend who connects knows so many portals, in any order, hidden or not.
        private static func expectPortals(_ areHidden: [Bool], ofFriendOn stage: Stage) async throws {
            try await stage.run(home: "friend", ["call", FriendNetwork.petname, "service.list"])
            let text = try await stage.run(home: "friend", ["friend", "list", "--json"])
            let friends = try JSONDecoder().decode([FriendRow].self, from: Data(text.utf8))
            let portals = try #require(friends.first).reach.portals
            #expect(portals.count == areHidden.count)
            #expect(portals.count(where: \.hidden) == areHidden.count { $0 })
        }

        /// Sees that nobody is connected to a portal any more: it says a second departure within a second of nobody.
        private static func expectNoConnection(to port: Int) async throws {
            let place = "0100007F:" + String(port, radix: 16, uppercase: true)
            let deadline = ContinuousClock.now + limit
            while true {
                let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/net/tcp"))
                let table = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
                // Source: proc_pid_net(5); the third field is the far end, the fourth the state, 01 ESTABLISHED.
                let isConnected = table.split(separator: "\n").contains { line in
                    let fields = line.split(separator: " ")
                    return fields.count > 3 && fields[2] == place && fields[3] == "01"
                }
                if !isConnected { return }
                try #require(ContinuousClock.now < deadline, "somebody still is at the portal")
                try await Task.sleep(for: .milliseconds(20))
            }
        }

        /// Whom a portal lists.
        private static func list(at portal: TestNetwork.Portal, on stage: Stage) async throws -> String {
            try await stage.run(
                home: "stranger", ["call", portal.address, "tunnel.endpoints", "--source", "--limit", "1"])
        }

        @Test("of what a friend may open is seen in a session that stands, taken and given back")
        func services() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let echo = try await stage.service(.echo).port
                _ = try await network.serve(["echo": echo, "other": echo])
                try await network.befriend("friend")
                let forward = try await network.forward("echo", as: "friend")
                let allow = ["friend", "allow", "friend"]
                let all = ["--service", "echo", "--service", "other"]
                for (rights, isAllowed) in [
                    (["--service", "other"], false), (all, true), (["--service", "other"], false),
                    (["--all"], true),
                ] {
                    try await stage.run(home: FriendNetwork.owner, allow + rights)
                    try await before(Self.limit) {
                        try await LocalConnection.dial(forward.port, untilEchoed: isAllowed)
                    }
                }
                #expect(!forward.process.log.contains("the session is over"))
            }
        }

        @Test("is not to be a second node: the same home serves once, and says who does")
        func second() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let server = try await network.serve()
                let second = try stage.cway(home: FriendNetwork.owner, ["serve"])
                #expect(try await second.end() == .exit(23), "\(second.log)")
                #expect(second.log.contains("a process (\(server.id)) serves from this keyring already"))
                #expect(second.outputText.isEmpty)
                // Its death gives the place back.
                server.signal(SIGKILL)
                try await server.end()
                _ = try await network.serve()
            }
        }

        @Test("restores no keyring that is served from; once it is restored, friends come as before")
        func restored() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage, friends: ["anna", "bert"])
                let server = try await network.serve(["echo": stage.service(.echo).port])
                for home in ["anna", "bert"] { try await network.befriend(home) }
                let open = try await FriendNetwork.invite("open", on: stage)
                let backup = stage.path("backup")
                try await stage.run(home: FriendNetwork.owner, ["keyring", "backup", backup])
                let before = try await network.addresses()[0]
                try await stage.run(home: "anna", ["resolve", before])

                let restore = ["keyring", "restore", backup, "--keep", "anna", "--force"]
                let refused = try stage.cway(home: FriendNetwork.owner, restore)
                #expect(try await refused.end() == .exit(23), "\(refused.log)")
                #expect(refused.log.contains("a process (\(server.id)) serves"), "\(refused.log)")
                try await stage.run(home: "anna", ["call", before, "service.list"])
                server.signal(SIGTERM)
                #expect(try await server.end() == .exit(0))

                try await stage.run(home: FriendNetwork.owner, restore)
                _ = try await network.serve(["echo": stage.service(.echo).port])
                let after = try await network.addresses()[0]
                try await stage.run(home: "anna", ["resolve", after], code: 3)
                await (try network.openEcho(as: "anna")).close()
                try await stage.run(home: "anna", ["call", FriendNetwork.petname, "service.list"])
                try await stage.run(home: "anna", ["resolve", after])
                try await stage.run(home: "anna", ["resolve", before], code: 3)
                // Who was not kept, and who holds an invite from before, is a stranger.
                let call = ["call", FriendNetwork.petname, "service.list"]
                try await stage.run(home: "bert", call, code: 12)
                try await stage.run(home: "carl", ["join", open], code: 18)
            }
        }

        @Test("that puts a backup in the keyring's place is noticed: nothing serves from a copy")
        func copy() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let server = try await network.serve(["echo": stage.service(.echo).port])
                try await network.befriend("friend")
                let backup = stage.path("backup")
                try await stage.run(home: FriendNetwork.owner, ["keyring", "backup", backup])
                server.signal(SIGTERM)
                try await server.end()
                let keyring = stage.path("\(FriendNetwork.owner)/keyring.mdb")
                try FileManager.default.removeItem(atPath: keyring)
                try FileManager.default.copyItem(atPath: backup, toPath: keyring)

                let refused = try stage.cway(home: FriendNetwork.owner, ["serve"])
                #expect(try await refused.end() == .exit(23), "\(refused.log)")
                #expect(refused.log.contains("cway keyring restore"), "\(refused.log)")
                try await stage.run(home: FriendNetwork.owner, ["keyring", "restore", "--keep-all"])
                _ = try await network.serve(["echo": stage.service(.echo).port])
                await (try network.openEcho(as: "friend")).close()
            }
        }
    }
}

/// An element of `cway friend list --json`.
private struct FriendRow: Decodable {
    struct Reach: Decodable {
        struct Portal: Decodable {
            let hidden: Bool
        }

        let portals: [Portal]
    }

    let reach: Reach
}
