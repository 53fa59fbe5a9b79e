import Foundation
import Glibc
import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("Recovery")
    struct RecoveryTests {
        @Test("A killed portal is back, 2 s later: the same local port works within 12 s")
        func portalRestart() async throws {
            try await Stage.run { stage in
                let network = try await TestNetwork.start(
                    on: stage, services: ["echo": stage.service(.echo).port])
                let forward = try await network.forward("echo")

                let open = try await LocalConnection.dial(forward.port)
                try await open.send("before")
                #expect(try await open.text(6) == "before")

                network.portal.process.signal(SIGKILL)
                #expect(try await network.portal.process.end() == .signal(SIGKILL))
                // What came may be taken for all only after an orderly end.
                #expect(try await open.end(within: .seconds(5)).ending == .broken)
                try await forward.process.logLine(with: "the session is over")

                let waiting = try await LocalConnection.dial(forward.port)
                try await waiting.send("during")
                try await Task.sleep(for: .seconds(2))  // the outage
                let start = ContinuousClock.now
                _ = try await TestNetwork.Portal.start(on: stage, port: network.portal.port)
                #expect(try await waiting.text(6, within: .seconds(12)) == "during")
                let later = try await LocalConnection.dial(forward.port)
                try await later.send("after")
                #expect(try await later.text(5) == "after")
                #expect(ContinuousClock.now - start < .seconds(12))
            }
        }

        @Test("A killed endpoint leaves the portal's list, and its users' connections break")
        func endpointKilled() async throws {
            try await Stage.run { stage in
                let network = try await TestNetwork.start(
                    on: stage, services: ["echo": stage.service(.echo).port])
                let id = try await stage.id(home: "endpoint")
                let watch = try stage.cway(
                    home: "watcher", ["call", network.portal.address, "tunnel.endpoints", "--source"])
                _ = try await watch.line { $0.contains(id) }
                let forward = try await network.forward("echo")
                let open = try await LocalConnection.dial(forward.port)
                try await open.send("before")
                #expect(try await open.text(6) == "before")

                network.endpoint.signal(SIGKILL)
                #expect(try await network.endpoint.end() == .signal(SIGKILL))
                _ = try await watch.line { !$0.contains(id) && $0.contains("[") }
                #expect(watch.outputText.split(separator: "\n").last?.contains(id) == false)
                #expect(try await open.end(within: .seconds(5)).ending == .broken)

                let back = try TestNetwork.serve(on: stage, at: [network.portal], flags: ["--allow-anyone"])
                _ = try await back.line()
                try await forward.process.logLine(with: "connected again")
            }
        }

        @Test("Of two nodes with one identity the newest is reached, and the older stays away")
        func sameIdentity() async throws {
            try await Stage.run { stage in
                let echo = try await stage.service(.echo).port
                let older = try await TestNetwork.start(on: stage, services: ["older": echo])
                let (home, copy) = (stage.path("endpoint"), stage.path("copy"))
                try FileManager.default.createDirectory(
                    atPath: copy, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
                // But for the sockets at which the older one says how it is.
                for name in try FileManager.default.contentsOfDirectory(atPath: home) where name != "run" {
                    try FileManager.default.copyItem(atPath: "\(home)/\(name)", toPath: "\(copy)/\(name)")
                }
                let newest = try TestNetwork.serve(
                    on: stage, home: "copy", at: [older.portal],
                    flags: ["--allow-anyone", "--service", "newest=127.0.0.1:\(echo)"])
                #expect(try await newest.line() == older.target)
                try await older.endpoint.logLine(with: "announced itself elsewhere")

                let list = try await older.callTarget("service.list")
                #expect(list.outputText == "[\"newest\"]\n")
                #expect(older.endpoint.outputText.split(separator: "\n").count == 1)
            }
        }

        @Test("A portal that lets members announce, and then everyone, is announced at again without a truce")
        func policy() async throws {
            try await Stage.run { stage in
                let network = try await TestNetwork.start(on: stage, services: [:])
                try await stage.run(home: "portal", ["portal", "policy", "--announce", "members"])
                try await network.endpoint.logLine(with: "the portal ended the announcement")
                try await stage.run(home: "portal", ["portal", "policy", "--announce", "everyone"])
                try await network.endpoint.logLines(2, with: "info announced")
            }
        }

        @Test("One endpoint at two portals is reached through either, also when the other is gone")
        func twoPortals() async throws {
            try await Stage.run { stage in
                let portals = [
                    try await TestNetwork.Portal.start(on: stage, home: "first"),
                    try await TestNetwork.Portal.start(on: stage, home: "second"),
                ]
                let endpoint = try TestNetwork.serve(on: stage, at: portals, flags: ["--allow-anyone"])
                let addresses = try await endpoint.lines(2)
                #expect(Set(addresses).count == 2)
                for kill in [false, true] {
                    if kill {
                        portals[0].process.signal(SIGKILL)
                        try await portals[0].process.end()
                    }
                    for portal in portals.dropFirst(kill ? 1 : 0) {
                        let key = try #require(portal.address.split(separator: ":").last)
                        let address = try #require(addresses.first { $0.contains(key) })
                        let call = try stage.cway(
                            home: "caller", ["call", address, "whoami", "--portal", portal.address])
                        #expect(try await call.end() == .exit(0), "\(call.log)")
                    }
                }
            }
        }
    }
}
