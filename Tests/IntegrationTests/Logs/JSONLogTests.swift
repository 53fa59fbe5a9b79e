import Foundation
import PeerSupport
import Testing

extension Integration {
    @Suite("A log for programs")
    struct JSONLogTests {
        @Test("is an object for each line, of a portal, a node and who connects")
        func objects() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage, ["--log-format", "json"])
                let endpoint = try TestNetwork.serve(
                    on: stage, at: [portal],
                    flags: ["--allow-anyone", "--service", "web=127.0.0.1:1", "--log-format", "json"])
                let target = try await endpoint.line()
                let connect = try stage.cway(
                    home: "caller",
                    [
                        "connect", target, "web", "--stdio", "--portal", portal.address, "--log-level",
                        "debug",
                        "--log-format", "json",
                    ])
                #expect(try await connect.end() == .exit(15), "\(connect.log)")
                try await endpoint.logLine(with: #""event":"service not listening""#)
                for log in [portal.process.log, endpoint.log] {
                    let lines = log.split(separator: "\n").dropLast()
                    #expect(lines.count > 3)
                    for line in lines {
                        let object = try #require(
                            JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
                        #expect(
                            object["time"] is String && object["level"] is String && object["event"] is String
                        )
                    }
                }
            }
        }
    }
}
