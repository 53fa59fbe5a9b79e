import Foundation
import Multiserver
import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("A portal that moves")
    struct MovedPortalTests {
        @Test("is known at both places at a time: added, waited for, removed")
        func moved() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let echo = try await stage.service(.echo).port
                let server = try await network.serve(["echo": echo])
                try await network.befriend("friend")
                try await stage.run(home: "friend", ["call", FriendNetwork.petname, "service.list"])

                // The same portal by another name of this machine, which is another host of its key.
                let old = "127.0.0.1:\(network.portal.port)"
                let new = "localhost:\(network.portal.port)"
                let moved = network.portal.address.replacing(old, with: new)
                try await stage.run(home: FriendNetwork.owner, ["portals", "add", moved])
                #expect(try await stage.run(home: FriendNetwork.owner, ["portals"]).contains(old))
                // Friends learn of it at their next connect, and the node stays where it is until then.
                try await stage.run(home: "friend", ["call", FriendNetwork.petname, "service.list"])
                let doctor = try await stage.run(home: "friend", ["doctor", FriendNetwork.petname])
                #expect(doctor.contains("at \(old)") && doctor.contains("at \(new)"))
                #expect(!server.log.contains("was removed"))

                let removed = try await stage.run(home: FriendNetwork.owner, ["portals", "remove", old])
                #expect(removed.contains(new))
                try await server.logLine(with: "this host of the portal was removed")
                while true {
                    let call = try stage.cway(
                        home: "friend", ["call", FriendNetwork.petname, "service.list"])
                    let ending = try await call.end()
                    if ending == .exit(0) { break }
                    try #require(ending == .exit(12), "\(call.log)")
                }
                #expect(try await !stage.run(home: FriendNetwork.owner, ["portals"]).contains(old))
                try await stage.run(home: FriendNetwork.owner, ["portals", "remove", new])
            }
        }

        @Test("is reached by a friend who says where it is, for good or for once")
        func friend() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage, friends: ["friend", "late"])
                _ = try await network.serve()
                try await network.befriend("friend")
                let address = network.portal.address
                // The portal comes back at another port, and the owner's node with it.
                network.portal.process.signal(SIGTERM)
                try await network.portal.process.end()
                let moved = try await TestNetwork.Portal.start(on: stage, home: "portal-1")
                #expect(moved.peer.key == network.portal.peer.key && moved.address != address)
                try await stage.run(home: FriendNetwork.owner, ["portals", "add", moved.address])
                let call = ["call", FriendNetwork.petname, "service.list"]
                try await stage.run(home: "friend", call, code: 10)
                // Nothing that the friend has stored is asked where the command line says it.
                let named = call + ["--portal", moved.address]
                while true {
                    let once = try stage.cway(home: "friend", named)
                    let ending = try await once.end()
                    if ending == .exit(0) { break }
                    try #require(ending == .exit(12), "\(once.log)")
                }
                // The call has brought a grant, which says so too; one who was away has to be told.
                try await stage.run(home: "friend", call)
                let late = try stage.cway(
                    home: "late", ["join", network.code(for: "late"), "--name", "home"])
                #expect(try await late.end() == .exit(10), "its invite names the former place")
                try await stage.run(home: "late", ["portals", "add", moved.address])
                try await network.befriend("late")
                try await stage.run(home: "late", call)
            }
        }

        @Test("is dialled where its friend says, without announcing there")
        func dialledOnly() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                _ = try await network.serve()
                try await network.befriend("friend")
                network.portal.process.signal(SIGTERM)
                try await network.portal.process.end()
                let moved = try await TestNetwork.Portal.start(on: stage, home: "portal-1")
                let added = try await stage.run(home: "friend", ["portals", "add", moved.address])
                #expect(added.contains("dialled to reach home"))
                #expect(try await stage.run(home: "friend", ["portals"]).contains("dialled only"))
                // The portal is there, and the owner's node, which was told nothing, is not.
                try await stage.run(
                    home: "friend", ["call", FriendNetwork.petname, "service.list"], code: 12)
                try await stage.run(home: FriendNetwork.owner, ["portals", "add", moved.address])
                while true {
                    let call = try stage.cway(
                        home: "friend", ["call", FriendNetwork.petname, "service.list"])
                    if try await call.end() == .exit(0) { break }
                    try Task.checkCancellation()
                }
            }
        }
    }

    @Suite("connect --listen and a target that comes and goes")
    struct ConnectStateTests {
        @Test("ends with 14 where the service is not offered, unless it is to wait")
        func unknownService() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let echo = try await stage.service(.echo).port
                _ = try await network.serve(["echo": echo])
                try await network.befriend("friend")
                try await stage.run(
                    home: FriendNetwork.owner, ["friend", "allow", "friend", "--service", "other"])
                let list = ["call", FriendNetwork.petname, "service.list"]
                // A running node follows within a second.
                while try await stage.run(home: "friend", list) != "[]" { try Task.checkCancellation() }
                let connect = ["connect", FriendNetwork.petname, "echo", "--listen", "127.0.0.1:0"]
                let refused = try stage.cway(home: "friend", connect)
                #expect(try await refused.end() == .exit(14) && refused.outputText.isEmpty, "\(refused.log)")

                let waiting = try stage.cway(home: "friend", connect + ["--wait"])
                try await waiting.logLine(with: "does not offer the service yet")
                #expect(waiting.outputText.isEmpty)
                try await stage.run(home: FriendNetwork.owner, ["friend", "allow", "friend", "--all"])
                let port = try #require(
                    try await waiting.line().split(separator: ":").last.flatMap { Int($0) })
                try await LocalConnection.dial(port).expectEcho("hello")
            }
        }

        @Test("waits for an owner who is offline, at the start as later, and says each state once")
        func offline() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let echo = try await stage.service(.echo).port
                var server = try await network.serve(["echo": echo])
                try await network.befriend("friend")
                server.signal(SIGTERM)
                try await server.end()
                let connect = ["connect", FriendNetwork.petname, "echo", "--listen", "127.0.0.1:0"]
                let once = try stage.cway(home: "friend", connect + ["--once"])
                #expect(try await once.end() == .exit(12) && once.outputText.isEmpty)

                let forward = try stage.cway(home: "friend", connect + ["--log-level", "debug"])
                try await forward.logLines(3, with: "no session yet")
                #expect(forward.warningCount(of: "no session yet") == 1, "\(forward.log)")
                server = try await network.serve(["echo": echo])
                let port = try #require(
                    try await forward.line().split(separator: ":").last.flatMap { Int($0) })
                try await LocalConnection.dial(port).expectEcho("hello")

                server.signal(SIGTERM)
                try await server.end()
                let count = forward.logLineCount(with: "no session yet")
                try await forward.logLines(count + 1, with: "no session yet")
                _ = try await network.serve(["echo": echo])
                try await LocalConnection.dial(port).expectEcho("hello again")
                forward.signal(SIGTERM)
                #expect(try await forward.end() == .exit(0))
            }
        }

        @Test("ends with 13 when the friend is removed, and does not take a stop for that")
        func removed() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let echo = try await stage.service(.echo).port
                _ = try await network.serve(["echo": echo])
                try await network.befriend("friend")
                let forward = try await network.forward("echo", as: "friend")
                try await stage.run(home: FriendNetwork.owner, ["friend", "remove", "friend"])
                #expect(try await forward.process.end() == .exit(13), "\(forward.process.log)")
                #expect(forward.process.log.contains("has removed this node"))
            }
        }
    }
}

extension CwayProcess {
    /// How many lines of the log have these words.
    fileprivate func logLineCount(with words: String) -> Int {
        log.split(separator: "\n").count { $0.contains(words) }
    }

    /// How many of them are warnings; who wants to see each try gets the others.
    fileprivate func warningCount(of words: String) -> Int {
        log.split(separator: "\n").count { $0.contains(words) && $0.contains(" warning ") }
    }
}
