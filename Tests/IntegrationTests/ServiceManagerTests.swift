import Foundation
import Glibc
import PeerSupport
import Testing

extension Integration {
    /// What a service manager hears of processes that serve.
    @Suite("Notices of processes that serve")
    struct ServiceManagerTests {
        /// A manager that wants a sign of life every 400 ms, and the variables that name it.
        private static func manager() throws -> (NoticeSocket, [String: String]) {
            let socket = try NoticeSocket("@cway-tests-\(UUID().uuidString)")
            return (socket, ["NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "400000"])
        }

        /// Expects of a running process what it tells while it lives and when it ends.
        private static func expectLife(of process: CwayProcess, at manager: NoticeSocket) async throws {
            _ = try await manager.messages(with: "READY=1")
            _ = try await manager.messages(3, with: "WATCHDOG=1")
            process.signal(SIGTERM)
            #expect(try await process.end() == .exit(0))
            let last = try await manager.messages(with: "STOPPING=1")
            #expect(last.count == 1)
        }

        @Test("name the reload and its end, of a portal")
        func portal() async throws {
            try await Stage.run { stage in
                let (manager, variables) = try Self.manager()
                let portal = try stage.cway(
                    home: "portal", ["portal", "--listen", "127.0.0.1:0"], environment: variables)
                let ready = try await manager.messages(with: "READY=1")
                #expect(ready == ["READY=1\nSTATUS=accepts connections"])
                portal.signal(SIGHUP)
                _ = try await manager.messages(2, with: "READY=1")
                let reload = try await manager.messages(with: "RELOADING=1")
                #expect(reload.count == 1 && reload[0].contains("\nMONOTONIC_USEC="))
                try await Self.expectLife(of: portal, at: manager)
                // It does not tell everybody on the machine where friends are.
                #expect(manager.received.allSatisfy { !$0.contains("127.0.0.1") })
            }
        }

        @Test("come of an endpoint whose portal is away")
        func endpoint() async throws {
            try await Stage.run { stage in
                let (manager, variables) = try Self.manager()
                let port = try LoopbackSocket.freePort()
                let portal =
                    "net:127.0.0.1:\(port)~shs:\(try await stage.id(home: "portal").dropFirst().prefix(44))"
                let endpoint = try stage.cway(
                    home: "endpoint", ["serve", "--portal", portal, "--allow-anyone"], environment: variables)
                try await Self.expectLife(of: endpoint, at: manager)
            }
        }

        @Test("come of a forwarded port, also before a session stands")
        func forward() async throws {
            try await Stage.run { stage in
                let (manager, variables) = try Self.manager()
                let port = try LoopbackSocket.freePort()
                let key = try await stage.id(home: "endpoint").dropFirst().prefix(44)
                let portal =
                    "net:127.0.0.1:\(port)~shs:\(try await stage.id(home: "portal").dropFirst().prefix(44))"
                let tunnel = "tunnel:@\(portal.suffix(44)).ed25519:@\(key).ed25519:0~shs:\(key)"
                let forward = try stage.cway(
                    home: "caller",
                    ["connect", tunnel, "ssh", "--portal", portal, "--listen", "127.0.0.1:0"],
                    environment: variables)
                try await Self.expectLife(of: forward, at: manager)
            }
        }
    }
}
