import Foundation
import PeerSupport
import Testing

extension Integration {
    @Suite("Metrics")
    struct MetricsTests {
        /// What a server answers to one request on a connection of its own.
        private static func ask(
            _ port: UInt16, _ path: String, _ method: String = "GET", _ fields: [String] = ["Host: localhost"]
        ) throws -> String {
            let socket = try LoopbackSocket.dialling(port)
            let lines = ["\(method) \(path) HTTP/1.1"] + fields + ["Connection: close", "", ""]
            try socket.writeAll(Array(lines.joined(separator: "\r\n").utf8))
            var answer: [UInt8] = []
            while case let bytes = try socket.read(atMost: 64 << 10), !bytes.isEmpty { answer += bytes }
            return String(decoding: answer, as: UTF8.self)
        }

        private static func port(of process: CwayProcess) async throws -> UInt16 {
            let line = try await process.logLine(with: "serving the metrics")
            let digits = line.split(separator: ":").last?.prefix { $0.isNumber } ?? ""
            return try #require(UInt16(digits), "\(line)")
        }

        @Test("of a portal and of a node say what happens there, and nothing of who")
        func portalAndNode() async throws {
            try await Stage.run { stage in
                let portal = try stage.cway(
                    home: "portal",
                    ["portal", "--listen", "localhost:0", "--metrics", "localhost:0", "--exact-metrics"])
                let address = try await portal.line()
                let port = try await Self.port(of: portal)
                let echo = try await stage.service(.echo).port
                let node = try stage.cway(
                    home: "owner",
                    [
                        "serve", "--portal", address, "--service", "echo=127.0.0.1:\(echo)", "--allow-anyone",
                        "--metrics", "0",
                    ])
                let nodeAddress = try await node.line()
                let nodePort = try await Self.port(of: node)

                #expect(try Self.ask(port, "/healthz").hasPrefix("HTTP/1.1 200 OK\r\n"))
                #expect(try Self.ask(port, "/readyz").hasSuffix("\r\nready\n"))
                #expect(try Self.ask(nodePort, "/readyz").hasSuffix("\r\nready\n"))
                let exact = try Self.ask(port, "/metrics")
                #expect(exact.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
                #expect(exact.contains("\ncway_portal_announced{manner=\"open\"} 1\n"))
                #expect(exact.contains("\ncway_portal_handshakes_total{outcome=\"succeeded\"} 1\n"))

                try await stage.run(
                    home: "friend", ["call", nodeAddress, "service.list", "--portal", address])
                let after = try Self.ask(port, "/metrics")
                #expect(after.contains("\ncway_portal_tunnels_opened_total{manner=\"open\"} 1\n"))
                #expect(!after.contains("\ncway_portal_relayed_bytes_total 0\n"))
                let blurred = try Self.ask(nodePort, "/metrics")
                #expect(blurred.contains("\ncway_node_portals{state=\"attached\"} 1\n"))
                #expect(
                    blurred.contains("\ncway_node_tunnels_total{outcome=\"accepted\"} 16\n"), "\(blurred)")
                for text in [after, blurred] {
                    #expect(!text.contains("@") && !text.contains("ed25519"))
                    #expect(text.contains("\ncway_event_loop_delay_seconds_bucket{le=\"0.001\"} "))
                }
                let open = try Self.ask(
                    port, "/metrics", "GET",
                    ["Host: 127.0.0.1", "Accept: application/openmetrics-text;version=1.0.0"])
                #expect(open.contains("application/openmetrics-text; version=1.0.0"))
                #expect(open.contains("\n# EOF\n"))
            }
        }

        @Test("are for this machine, by its own names, in GET and HEAD")
        func refusals() async throws {
            try await Stage.run { stage in
                let portal = try stage.cway(
                    home: "portal", ["portal", "--listen", "localhost:0", "--metrics", "0"])
                let port = try await Self.port(of: portal)
                #expect(
                    try Self.ask(port, "/metrics", "GET", ["Host: evil.example"]).hasPrefix("HTTP/1.1 421 "))
                #expect(try Self.ask(port, "/metrics", "POST").hasPrefix("HTTP/1.1 405 "))
                #expect(try Self.ask(port, "/").hasPrefix("HTTP/1.1 404 "))
                let head = try Self.ask(port, "/metrics", "HEAD")
                #expect(head.hasPrefix("HTTP/1.1 200 ") && head.hasSuffix("\r\n\r\n"))
                let long = "X: " + String(repeating: "x", count: 20 << 10)
                #expect(
                    !(try Self.ask(port, "/metrics", "GET", ["Host: localhost", long])).contains("200 OK"))
            }
        }

        @Test("at an address for all take a token from a file that nobody else reads")
        func token() async throws {
            try await Stage.run { stage in
                let listen = ["portal", "--listen", "localhost:0", "--metrics", "0.0.0.0:0"]
                let open = try stage.cway(home: "portal", listen)
                try await open.end()
                #expect(open.log.contains("--metrics-token-file"))

                let token = String(repeating: "5a", count: 32)
                let path = stage.path("token")
                try Data("\(token)\n".utf8).write(to: URL(fileURLWithPath: path))
                try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
                let exposed = try stage.cway(home: "portal", listen + ["--metrics-token-file", path])
                try await exposed.end()
                #expect(exposed.log.contains("chmod 600"))

                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
                let portal = try stage.cway(home: "portal", listen + ["--metrics-token-file", path])
                let port = try await Self.port(of: portal)
                #expect(try Self.ask(port, "/metrics").hasPrefix("HTTP/1.1 401 "))
                let shown = ["Host: metrics.example", "Authorization: Bearer \(token)"]
                #expect(try Self.ask(port, "/metrics", "GET", shown).hasPrefix("HTTP/1.1 200 "))
                // It listens for those who watch first.
                try await before(.eventDeadline) {
                    while !(try Self.ask(port, "/readyz").hasPrefix("HTTP/1.1 200 ")) {
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
            }
        }
    }
}
