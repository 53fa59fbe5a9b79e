import Foundation
import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("Every hop that fails has its code")
    struct HopTests {
        @Test("10 and 11: the portal")
        func portal() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage)
                let key = try #require(portal.address.split(separator: ":").last)
                let wrongKey = portal.address.replacing(key, with: try await Self.otherKey(on: stage))
                try await Self.expect(11, stage, ["call", wrongKey, "whoami"])
                let network = String(repeating: "07", count: 32)
                try await Self.expect(11, stage, ["call", portal.address, "whoami", "--network", network])

                portal.process.signal(SIGTERM)
                #expect(try await portal.process.end() == .exit(0))
                try await Self.expect(10, stage, ["call", portal.address, "whoami"])
            }
        }

        @Test("12 to 15: the target and its services")
        func target() async throws {
            try await Stage.run { stage in
                let friend = try await stage.id(home: "friend")
                let nobody = try await LocalService.start(.echo)
                await nobody.stop()
                let network = try await TestNetwork.start(
                    on: stage, services: ["off": nobody.port], serveFlags: ["--allow", friend])

                let id = try await stage.id(home: "endpoint")
                let other = try await Self.otherKey(on: stage)
                let key = id.dropFirst().dropLast(".ed25519".count)
                let absent = network.target.replacing(key, with: other)
                let portal = ["--portal", network.portal.address]
                try await Self.expect(
                    12, stage, ["connect", absent, "off", "--stdio"] + portal, home: "friend")
                for way in [["--stdio"], ["--listen", "127.0.0.1:0"]] {
                    try await Self.expect(
                        13, stage, ["connect", network.target, "off"] + way + portal, home: "stranger")
                }
                try await network.endpoint.logLine(with: "refused: not allowed")
                try await Self.expect(
                    14, stage, ["connect", network.target, "none", "--stdio"] + portal, home: "friend")
                try await Self.expect(
                    15, stage, ["connect", network.target, "off", "--stdio"] + portal, home: "friend")
                try await Self.expect(
                    0, stage, ["call", network.target, "service.list"] + portal, home: "friend")
                try await Self.expect(
                    16, stage, ["call", network.target, "no.such", "--async"] + portal, home: "friend")
            }
        }

        @Test("20: a key file that others can read")
        func exposedKey() async throws {
            try await Stage.run { stage in
                _ = try await stage.id(home: "open")
                try FileManager.default.setAttributes(
                    [.posixPermissions: 0o644], ofItemAtPath: stage.path("open/secret"))
                for arguments in [["id"], ["portal", "--listen", "127.0.0.1:0"]] {
                    let process = try await Self.expect(20, stage, arguments, home: "open")
                    #expect(process.log.contains("chmod 600") && process.log.contains("644"))
                    #expect(process.outputText.isEmpty)
                }
            }
        }

        @Test("64: nobody may connect, or there is no portal")
        func usage() async throws {
            try await Stage.run { stage in
                let portal = ["--portal", "net:localhost:8008~shs:\(try await Self.otherKey(on: stage))"]
                let nobody = try await Self.expect(64, stage, ["serve"] + portal)
                #expect(nobody.log.contains("--allow"))
                try await Self.expect(64, stage, ["serve", "--allow-anyone"])
                try await Self.expect(64, stage, ["portal"])
            }
        }

        /// A key that nobody in the test has.
        private static func otherKey(on stage: Stage) async throws -> String {
            String(try await stage.id(home: "elsewhere").dropFirst().dropLast(".ed25519".count))
        }

        @discardableResult
        private static func expect(
            _ code: Int32, _ stage: Stage, _ arguments: [String], home: String = "caller"
        ) async throws -> CwayProcess {
            let process = try stage.cway(home: home, arguments)
            #expect(try await process.end() == .exit(code), "\(process.command): \(process.log)")
            #expect(code == 0 || process.log.hasPrefix("cway: ") || code == 64, "\(process.log)")
            return process
        }
    }
}
