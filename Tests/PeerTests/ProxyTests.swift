import Foundation
import Glibc
import PeerSupport
import Testing

extension Heavy {
    /// A portal behind servers that pass connections on, and say whose they are.
    @Suite("Proxies in front of a portal")
    struct ProxyTests {
        /// Where proxies connect from: no client of the tests does.
        private static let proxyHost = "127.0.0.100"
        private static let closed = "a proxy's connection was closed"

        /// A portal that trusts the proxies, with a small limit for each address.
        private struct World {
            let stage: PeerStage
            let portal: CwayProcess
            let address: String

            init(on stage: PeerStage, port: UInt16) async throws {
                self.stage = stage
                portal = try stage.cway(
                    home: "portal",
                    [
                        "portal", "--listen", "127.0.0.1:\(port)", "--trusted-proxy", proxyHost,
                        "--connections-per-address", "3", "--log-level", "debug",
                    ])
                address = try await portal.line()
            }

            /// The portal's address through a proxy at another port.
            func address(at port: UInt16) -> String {
                address.replacing(/:[0-9]+~/, with: ":\(port)~")
            }

            /// Has a friend reach an endpoint, both through a proxy, and connections of two addresses counted apart.
            func expectAll(through port: UInt16, home: String) async throws {
                let address = address(at: port)
                let endpoint = try stage.cway(
                    home: home, ["serve", "--portal", address, "--allow-anyone", "--log-level", "debug"])
                let target = try await endpoint.line()
                let call = try stage.cway(home: "caller", ["call", target, "echo.ping", "--portal", address])
                try await call.end()
                let who = try stage.cway(home: "caller", ["call", address, "whoami"])
                #expect(try await who.end() == .exit(0), "\(who.log)")

                let source: UInt16 = 200 + port % 50
                let held = try (0..<4).map { _ in try LoopbackSocket.dialling(port, from: source) }
                let line = try await portal.logLine(with: "source=127.0.0.\(source)")
                #expect(line.contains("a limit: a connection waits for a place"), "\(line)")
                // Another address has its own.
                let other = try stage.cway(home: "caller", ["call", address, "whoami"])
                #expect(try await other.end() == .exit(0), "\(other.log)")
                for connection in held { connection.cut() }
                endpoint.signal(SIGTERM)
                try await endpoint.end()
            }
        }

        @Test("nginx, with version 1", .needs(.nginx))
        func nginx() async throws {
            let program = try HeavyPeer.nginx.required()
            try await PeerStage.run { stage in
                let (port, front, silentFront) = try Self.ports()
                let world = try await World(on: stage, port: port)
                let module = "/usr/lib/nginx/modules/ngx_stream_module.so"
                let load = FileManager.default.fileExists(atPath: module) ? "load_module \(module);" : ""
                // The `stream` part is that of docs/operations.md, but for its addresses, and one more server that says
                // nothing of whose its connections are.
                let configuration = try stage.write(
                    """
                    \(load)
                    daemon off;
                    master_process off;
                    pid \(stage.path("nginx.pid"));
                    error_log stderr notice;
                    events {}
                    stream {
                        proxy_bind \(Self.proxyHost);
                        server {
                            listen 127.0.0.1:\(front);
                            proxy_pass 127.0.0.1:\(port);
                            proxy_protocol on;
                            proxy_timeout 5m;
                        }
                        server {
                            listen 127.0.0.1:\(silentFront);
                            proxy_pass 127.0.0.1:\(port);
                        }
                    }
                    """, to: "nginx.conf")
                let server = try stage.start(
                    program, ["-p", stage.folder.path, "-e", "stderr", "-c", configuration])
                try await Self.awaitListener(front, of: server)
                try await world.expectAll(through: front, home: "endpoint")

                // Without its header a proxy gets nowhere, and the log says why.
                let refused = try stage.cway(
                    home: "caller", ["call", world.address(at: silentFront), "whoami"])
                #expect(try await refused.end() != .exit(0))
                let line = try await world.portal.logLine(with: Self.closed)
                #expect(
                    line.contains("source=\(Self.proxyHost)") && line.contains("no PROXY header"), "\(line)")
                // Nobody else needs one, or may have one.
                let direct = try stage.cway(home: "caller", ["call", world.address, "whoami"])
                #expect(try await direct.end() == .exit(0), "\(direct.log)")
                let liar = try LoopbackSocket.dialling(port)
                try liar.writeAll(Array("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".utf8))
                try liar.writeAll([UInt8](repeating: 0, count: 64))
                #expect(throws: Never.self) { while try !liar.read(atMost: 64).isEmpty {} }
                #expect(!world.portal.log.contains("192.0.2.1"))
            }
        }

        @Test("haproxy, with both versions, and its checks of health", .needs(.haproxy))
        func haproxy() async throws {
            let program = try HeavyPeer.haproxy.required()
            try await PeerStage.run { stage in
                let (port, first, second) = try Self.ports()
                let world = try await World(on: stage, port: port)
                let configuration = try stage.write(
                    """
                    global
                        log stderr local0 notice
                    defaults
                        mode tcp
                        log global
                        timeout connect 5s
                        timeout client 5m
                        timeout server 5m
                    listen first
                        bind 127.0.0.1:\(first)
                        source \(Self.proxyHost)
                        server portal 127.0.0.1:\(port) send-proxy
                    listen second
                        bind 127.0.0.1:\(second)
                        source \(Self.proxyHost)
                        server portal 127.0.0.1:\(port) send-proxy-v2 check check-send-proxy inter 100ms

                    """, to: "haproxy.cfg")
                let server = try stage.start(program, ["-db", "-f", configuration])
                try await Self.awaitListener(second, of: server)
                try await world.expectAll(through: first, home: "endpoint-1")
                try await world.expectAll(through: second, home: "endpoint-2")
                #expect(!world.portal.log.contains(Self.closed), "\(world.portal.log)")
                #expect(!server.log.contains("is DOWN"), "\(server.log)")
            }
        }

        @Test("haproxy, over a Unix socket that systemd keeps", .needs(.haproxy, .socketActivation))
        func unixSocket() async throws {
            let program = try HeavyPeer.haproxy.required()
            try await PeerStage.run { stage in
                let (front, _, _) = try Self.ports()
                let socket = stage.path("portal.sock")
                let portal = try await stage.activated(
                    at: socket,
                    [
                        ChildProcess.built("cway").path, "portal", "--trusted-proxy", "unix",
                        "--connections-per-address", "3", "--log-level", "debug",
                    ], variables: stage.variables(home: "portal"))
                let configuration = try stage.write(
                    """
                    defaults
                        mode tcp
                        timeout connect 5s
                        timeout client 5m
                        timeout server 5m
                    listen portal
                        bind 127.0.0.1:\(front)
                        server portal unix@\(socket) send-proxy-v2

                    """, to: "haproxy.cfg")
                let server = try stage.start(program, ["-db", "-f", configuration])
                try await Self.awaitListener(front, of: server)
                let key = try stage.cway(home: "portal", ["id"])
                try await key.end()
                let id = key.outputText.trimmingCharacters(in: .newlines).dropFirst().prefix(44)
                let call = try stage.cway(
                    home: "caller", ["call", "net:127.0.0.1:\(front)~shs:\(id)", "whoami"])
                #expect(try await call.end() == .exit(0), "\(call.log)")
                let held = try (0..<4).map { _ in try LoopbackSocket.dialling(front, from: 77) }
                try await portal.logLine(with: "source=127.0.0.77")
                for connection in held { connection.cut() }
            }
        }

        // MARK: Ports

        private static func ports() throws -> (UInt16, UInt16, UInt16) {
            let listeners = try (0..<3).map { _ in try LoopbackSocket.listening() }
            let ports = try listeners.map { try $0.port }
            return (ports[0], ports[1], ports[2])
        }

        /// Waits until a server listens: it says so in no other way.
        private static func awaitListener(_ port: UInt16, of server: CwayProcess) async throws {
            let deadline = ContinuousClock.now + .seconds(60)
            while true {
                do {
                    return try LoopbackSocket.dialling(port).cut()
                } catch {
                    guard server.ending == nil, ContinuousClock.now < deadline else {
                        throw CwayProcess.Failure(
                            description: "\(server.command) does not listen: \(server.log)")
                    }
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
        }
    }
}
