import Foundation
import Glibc
import PeerSupport
import Testing
import Watching

extension Integration {
    @Suite("cway status")
    struct StatusTests {
        private struct Reports: Decodable {
            let processes: [StatusReport]
        }

        /// What runs from a home, as `--json` has it.
        private static func reports(home: String, on stage: Stage) async throws -> [StatusReport] {
            let status = try stage.cway(home: home, ["status", "--json"])
            #expect(try await status.end() == .exit(0), "\(status.log)")
            return try JSONDecoder().decode(Reports.self, from: Data(status.outputText.utf8)).processes
        }

        @Test("says of portal, node and port who is there and how much has passed")
        func whole() async throws {
            try await Stage.run { stage in
                let service = try await stage.service(.echo)
                let network = try await TestNetwork.start(on: stage, services: ["echo": service.port])
                let (forward, port) = try await network.forward("echo")
                let socket = try await LocalConnection.dial(port)
                try await socket.send(Pattern.mebibytes(1, seed: 4))
                try await socket.awaitBytes(1 << 20)

                let portal = try #require(try await Self.reports(home: "portal", on: stage).first)
                #expect(portal.process.role == "portal" && portal.process.id == network.portal.process.id)
                let ofPortal = try #require(portal.portal)
                #expect(ofPortal.addresses == [network.portal.address])
                #expect(ofPortal.endpoints.map(\.id) == [try await stage.id(home: "endpoint")])
                #expect(ofPortal.connectionCount == 2 && ofPortal.tunnelCount == 1)
                #expect(ofPortal.relayedByteCount > 2 << 20 && ofPortal.lastMinute.bytesPerSecond > 0)
                #expect(portal.process.descriptorCount > 5 && portal.process.memoryByteCount > 1 << 20)

                let node = try #require(try await Self.reports(home: "endpoint", on: stage).first)
                let ofNode = try #require(node.node)
                #expect(ofNode.portals.map(\.state) == ["announced"] && ofNode.services == ["echo"])
                #expect(ofNode.portals[0].roundTripMilliseconds ?? 0 > 0)
                let visitor = try #require(ofNode.visitors.first)
                #expect(visitor.id == (try await stage.id(home: "caller")) && visitor.sessionCount == 1)
                #expect(visitor.streams.map(\.receivedByteCount) == [1 << 20])
                #expect(visitor.streams.map(\.sentByteCount) == [1 << 20])

                let connect = try #require(try await Self.reports(home: "caller", on: stage).first)
                let ofForward = try #require(connect.node?.forward)
                #expect(connect.process.role == "connect" && connect.process.id == forward.id)
                #expect(ofForward.state == "connected" && ofForward.service == "echo")
                #expect(ofForward.listen == "127.0.0.1:\(port)" && ofForward.roundTripMilliseconds ?? 0 > 0)
                #expect(ofForward.streams.map(\.sentByteCount) == [1 << 20])

                await socket.close()
                try await network.endpoint.logLine(with: "service closed")
                let after = try #require(try await Self.reports(home: "endpoint", on: stage).first?.node)
                #expect(after.uses.map(\.receivedByteCount) == [1 << 20] && after.uses.map(\.count) == [1])
            }
        }

        @Test("names what fails at a portal that is away, and forgets processes that are gone")
        func away() async throws {
            try await Stage.run { stage in
                let network = try await TestNetwork.start(on: stage, services: [:])
                network.portal.process.signal(SIGKILL)
                try await network.portal.process.end()
                try await network.endpoint.logLine(with: "no connection to the portal")
                let node = try #require(try await Self.reports(home: "endpoint", on: stage).first)
                let portal = try #require(node.node?.portals.first)
                #expect(["away", "dialling"].contains(portal.state))
                #expect(portal.lastFailure?.text.contains("check the address") == true)
                #expect(node.errors.contains { $0.text.hasPrefix("no connection to the portal") })

                // What a killed process leaves is in nobody's way.
                #expect(
                    try FileManager.default.contentsOfDirectory(atPath: stage.path("portal/run")).count == 1)
                #expect(try await Self.reports(home: "portal", on: stage).isEmpty)
                #expect(try FileManager.default.contentsOfDirectory(atPath: stage.path("portal/run")).isEmpty)
            }
        }

        @Test("prints words, and with --watch a block or a line each second until it is interrupted")
        func words() async throws {
            try await Stage.run { stage in
                _ = try await TestNetwork.start(on: stage, services: ["web": 1])
                let words = try stage.cway(home: "endpoint", ["status"])
                #expect(try await words.end() == .exit(0))
                #expect(words.outputText.contains("announced for") && words.outputText.contains("offers web"))

                let lines = try stage.cway(home: "portal", ["status", "--watch", "--json"])
                _ = try await lines.lines(2)
                lines.signal(SIGINT)
                #expect(try await lines.end() == .exit(130))

                let nothing = try stage.cway(home: "nobody", ["status"])
                #expect(try await nothing.end() == .exit(0))
                #expect(nothing.log.contains("nothing runs from this home"))
            }
        }

        @Test("leaves a terminal as it was")
        func terminal() async throws {
            try await Stage.run { stage in
                _ = try await TestNetwork.start(on: stage, services: ["web": 1])
                let keys = Pipe()
                let terminal = try stage.start(
                    URL(fileURLWithPath: "/usr/bin/script"),
                    ["-qec", "\(try Cway.program().path) status --watch", "/dev/null"],
                    environment: ["CWAY_HOME": stage.path("endpoint"), "TERM": "xterm"],
                    input: keys.fileHandleForReading)
                _ = try await terminal.line { $0.contains("offers web") }
                try keys.fileHandleForWriting.write(contentsOf: Data([3]))
                #expect(try await terminal.end() == .exit(130))
                let text = terminal.outputText
                #expect(text.contains("\u{1B}[?1049h\u{1B}[?25l"))
                #expect(text.hasSuffix("\u{1B}[?25h\u{1B}[?1049l"))
            }
        }
    }
}
