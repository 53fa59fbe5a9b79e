import Foundation
import PeerSupport
import Testing

extension Heavy {
    /// What Prometheus' own tool says of the metrics, and of the rules for alerts.
    @Suite("Prometheus", .needs(.promtool))
    struct PrometheusTests {
        private static func scrape(_ process: CwayProcess) async throws -> String {
            let line = try await process.logLine(with: "serving the metrics")
            let port = try #require(UInt16(line.split(separator: ":").last?.prefix(while: \.isNumber) ?? ""))
            let socket = try LoopbackSocket.dialling(port)
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            try socket.writeAll(Array(request.utf8))
            var bytes: [UInt8] = []
            while case let arrived = try socket.read(atMost: 64 << 10), !arrived.isEmpty { bytes += arrived }
            let text = String(decoding: bytes, as: UTF8.self)
            return try #require(text.range(of: "\r\n\r\n").map { String(text[$0.upperBound...]) })
        }

        @Test("finds nothing wrong with the metrics of a portal and of a node")
        func metrics() async throws {
            try await PeerStage.run { stage in
                let portal = try stage.cway(
                    home: "portal", ["portal", "--listen", "localhost:0", "--metrics", "0"])
                let address = try await portal.line()
                let node = try stage.cway(
                    home: "node", ["serve", "--portal", address, "--allow-anyone", "--metrics", "0"])
                _ = try await node.line()
                for process in [portal, node] {
                    let path = try stage.write(try await Self.scrape(process), to: "metrics")
                    let check = try CwayProcess(
                        HeavyPeer.promtool.required(), ["check", "metrics"],
                        input: FileHandle(forReadingFrom: URL(fileURLWithPath: path)))
                    #expect(try await check.end() == .exit(0), "\(check.log)")
                    #expect(check.log.isEmpty && check.outputText.isEmpty, "\(check.outputText)\(check.log)")
                }
            }
        }

        @Test("takes the rules for alerts")
        func rules() async throws {
            let path = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../docs/alerts.yml")
                .standardized
            let check = try CwayProcess(HeavyPeer.promtool.required(), ["check", "rules", path.path])
            #expect(try await check.end() == .exit(0), "\(check.outputText)\(check.log)")
        }
    }
}
