import Foundation
import PeerSupport
import PortalCore
import Testing

extension Integration {
    /// What `serve` says about a portal that it cannot be announced at.
    @Suite("A portal that is dialled again and again")
    struct TroubleTests {
        @Test("is called wrong once where it has another key, however often it is tried")
        func wrongKey() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage)
                let other = try await stage.id(home: "other").dropFirst().prefix(44)
                let endpoint = try stage.cway(
                    home: "endpoint",
                    [
                        "serve", "--allow-anyone", "--log-level", "debug", "--portal",
                        "net:127.0.0.1:\(portal.port)~shs:\(other)",
                    ])
                try await endpoint.logLines(4, with: "no connection to the portal")
                try Self.expectOnce(" error ", "another key", in: endpoint)
            }
        }

        @Test("is called away once, and again after it was there")
        func away() async throws {
            try await Stage.run { stage in
                let network = try await TestNetwork.start(on: stage, services: [:])
                let (portal, endpoint) = (network.portal, network.endpoint)
                portal.process.signal(SIGTERM)
                try await portal.process.end()
                try await endpoint.logLines(3, with: "nothing listens there")
                try Self.expectOnce(" warning ", "nothing listens there", in: endpoint)
                let again = try await TestNetwork.Portal.start(on: stage, port: portal.port)
                try await endpoint.logLines(2, with: "info announced")
                let count = Self.lines(with: "nothing listens there", in: endpoint).count
                again.process.signal(SIGTERM)
                try await again.process.end()
                try await endpoint.logLines(count + 2, with: "nothing listens there")
                let warnings = Self.lines(with: "nothing listens there", in: endpoint)
                    .filter { $0.contains(" warning ") }
                #expect(warnings.count == 2, "\(warnings)")
            }
        }

        private static func lines(with words: String, in process: CwayProcess) -> [Substring] {
            process.log.split(separator: "\n").filter { $0.contains(words) }
        }

        private static func expectOnce(_ level: String, _ words: String, in process: CwayProcess) throws {
            let levels = lines(with: words, in: process).map { $0.split(separator: " ")[1] }
            #expect(levels.first.map { " \($0) " } == level)
            #expect(levels.dropFirst().allSatisfy { $0 == "debug" }, "\(levels)")
        }
    }
}
