import Foundation
import Multiserver
import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("Several instances of one node")
    struct InstanceTests {
        /// Flags for an instance of that number with one service.
        private static func section(_ number: Int, _ service: String, _ port: Int, _ more: String...)
            -> [String]
        {
            ["--instance", "\(number)", "--service", "\(service)=127.0.0.1:\(port)"] + more
        }

        @Test("that is hidden: a friend reaches what its rights name, and finds nothing else")
        func hidden() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage, friends: [])
                let invite = ["invite", "create", "--service", "1/ssh", "--label", "friend"]
                let code = try await stage.run(home: FriendNetwork.owner, invite)
                var ports: [Int] = []
                for _ in 0..<3 { ports.append(try await stage.service(.echo).port) }
                let owner = try stage.cway(
                    home: FriendNetwork.owner,
                    ["serve", "--log-level", "trace", "--service", "web=127.0.0.1:\(ports[0])"]
                        + Self.section(1, "ssh", ports[1]) + Self.section(2, "git", ports[2]))
                #expect(try await owner.line().hasSuffix(".circle1"))
                try await stage.run(home: "friend", ["join", code, "--name", FriendNetwork.petname])

                func list(_ instance: Int, code: Int32 = 0) async throws -> String {
                    try await stage.run(
                        home: "friend", ["call", "home", "service.list", "--instance", "\(instance)"],
                        code: code)
                }
                #expect(try await list(0) == "[]")
                #expect(try await list(1) == #"["ssh"]"#)
                for instance in [2, 7] { #expect(try await list(instance, code: 13) == "") }

                let (_, port) = try await network.forward("1/ssh", as: "friend")
                let connection = try await LocalConnection.dial(port)
                try await connection.expectEcho("by its number")
                try await owner.logLine(with: "service=1/ssh")
                for (service, code) in [("web", 14), ("ssh", 14), ("1/git", 14), ("2/git", 13)]
                    as [(String, Int32)]
                {
                    try await stage.run(home: "friend", ["connect", "home", service, "--stdio"], code: code)
                }
                let shown = try await stage.run(
                    home: FriendNetwork.owner, ["address", "--form", "circle1", "--instance", "1"])
                let listed = try await stage.run(home: "friend", ["call", shown, "service.list"])
                #expect(listed == #"["ssh"]"#)

                // What is allowed from now on counts at each instance by itself.
                try await stage.run(
                    home: FriendNetwork.owner, ["friend", "allow", "friend", "--all", "--service", "2/git"])
                _ = try await connection.end(within: .seconds(20))
                #expect(try await list(0) == #"["web"]"#)
                #expect(try await list(2) == #"["git"]"#)
                #expect(try await list(1, code: 13) == "")
            }
        }

        @Test("that is open: each has permissions, and a portal, of its own")
        func open() async throws {
            try await Stage.run { stage in
                let friend = try await stage.id(home: "friend")
                let (first, second) = (
                    try await TestNetwork.Portal.start(on: stage),
                    try await TestNetwork.Portal.start(on: stage, home: "portal-2")
                )
                let echo = try await stage.service(.echo).port
                let node = try TestNetwork.serve(
                    on: stage, at: [first],
                    flags: [
                        "--service", "web=127.0.0.1:\(echo)", "--allow", try await stage.id(home: "other"),
                    ]
                        + Self.section(1, "ssh", echo, "--allow", friend)
                        + Self.section(2, "pub", echo, "--allow-anyone")
                        + Self.section(3, "far", echo, "--allow-anyone", "--portal", second.address))
                let addresses = try await node.lines(4)
                let places = addresses.map { $0.contains(first.peer.key.id) }
                #expect(addresses.count == 4 && places.count { $0 } == 3)

                func list(_ instance: Int, _ home: String, at portal: TestNetwork.Portal) async throws
                    -> String
                {
                    let id = try await stage.id(home: "endpoint")
                    let key = id.dropFirst().dropLast(".ed25519".count)
                    let address = "tunnel:\(portal.peer.key.id):\(id):\(instance)~shs:\(key)"
                    let process = try stage.cway(
                        home: home, ["call", address, "service.list", "--portal", portal.address])
                    let ending = try await process.end()
                    return ending == .exit(0)
                        ? process.outputText.trimmingCharacters(in: .newlines) : "\(ending)"
                }
                let refused = "exit(13)"
                #expect(try await list(0, "other", at: first) == #"["web"]"#)
                #expect(try await list(1, "other", at: first) == refused)
                #expect(try await list(0, "friend", at: first) == refused)
                #expect(try await list(1, "friend", at: first) == #"["ssh"]"#)
                #expect(try await list(2, "stranger", at: first) == #"["pub"]"#)
                #expect(try await list(3, "stranger", at: first) == refused)
                #expect(try await list(3, "stranger", at: second) == #"["far"]"#)
                #expect(try await list(2, "stranger", at: second) == refused)
            }
        }
    }
}
