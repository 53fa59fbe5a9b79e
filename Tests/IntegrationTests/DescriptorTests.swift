import Foundation
import Glibc
import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("Few descriptors")
    struct DescriptorTests {
        /// Starts `cway` where so many files and sockets may be open.
        private func cway(
            _ arguments: [String], descriptors: Int, home: String, on stage: Stage
        ) throws -> CwayProcess {
            try stage.start(
                URL(fileURLWithPath: "/bin/sh"),
                ["-c", "ulimit -n \(descriptors); exec \"$0\" \"$@\"", Cway.program().path] + arguments,
                environment: ["CWAY_HOME": stage.path(home)])
        }

        @Test(
            "A portal refuses those for whom it has none, is quiet about it, and goes on when there are some")
        func portal() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal(
                    cway(
                        ["portal", "--listen", "127.0.0.1:0", "--log-level", "debug"], descriptors: 64,
                        home: "portal", on: stage))
                var connections: [LocalConnection] = []
                for _ in 0..<100 { connections.append(try await LocalConnection.dial(portal.port)) }
                try await expectIdle(portal.process)
                for connection in connections { await connection.close() }
                let call = try stage.cway(home: "caller", ["call", portal.address, "tunnel.ping"])
                #expect(try await call.end() == .exit(0), "\(call.log)")
                portal.process.signal(SIGTERM)
                #expect(try await portal.process.end(within: .seconds(5)) == .exit(0))
            }
        }

        @Test("A forwarded port pauses without any, says so, and goes on when there are some")
        func forward() async throws {
            try await Stage.run { stage in
                let echo = try await stage.service(.echo)
                let network = try await TestNetwork.start(on: stage, services: ["echo": echo.port])
                let process = try cway(
                    [
                        "connect", network.target, "echo", "--portal", network.portal.address, "--listen",
                        "127.0.0.1:0",
                    ], descriptors: 40, home: "caller", on: stage)
                let line = try await process.line()
                let port = try #require(
                    line.split(separator: ":").last.flatMap { Int($0) }, "no port: \(line)")
                var connections: [LocalConnection] = []
                for _ in 0..<60 { connections.append(try await LocalConnection.dial(port)) }
                try await process.logLine(with: "out of file descriptors")
                try await expectIdle(process)
                for connection in connections { await connection.close() }
                let connection = try await LocalConnection.dial(port)
                try await connection.send("still here")
                #expect(try await connection.text(10) == "still here")
                await connection.close()
            }
        }

        /// For two seconds it computes next to nothing and says next to nothing.
        private func expectIdle(_ process: CwayProcess) async throws {
            let (time, logged) = (try cpuTime(of: process), process.log.utf8.count)
            try await Task.sleep(for: .seconds(2))
            #expect(try cpuTime(of: process) - time < 0.5)
            #expect(process.log.utf8.count - logged < 10_000)
        }

        /// What a process has computed so far, in seconds.
        ///
        /// Source: proc_pid_stat(5), fields 14 and 15; the name in front of them has no spaces here.
        private func cpuTime(of process: CwayProcess) throws -> Double {
            let fields = try String(contentsOfFile: "/proc/\(process.id)/stat", encoding: .utf8).split(
                separator: " ")
            let ticks = try #require(Int(fields[13])) + #require(Int(fields[14]))
            return Double(ticks) / Double(sysconf(CInt(_SC_CLK_TCK)))
        }

        @Test("A start with too few is refused in words", arguments: [10, 11, 12, 13, 14, 16])
        func start(descriptors: Int) async throws {
            try await Stage.run { stage in
                _ = try await stage.id(home: "node")
                for arguments in [["portal", "--listen", "127.0.0.1:0"], ["serve", "--allow-anyone"]] {
                    let process = try cway(arguments, descriptors: descriptors, home: "node", on: stage)
                    let ending = try await process.end()
                    guard case .exit(let code) = ending else {
                        Issue.record("\(descriptors): \(ending), said \(process.log)")
                        continue
                    }
                    #expect(code != 0 && process.log.hasPrefix("cway: "), "\(process.log)")
                }
            }
        }

        /// Every command that opens sockets or the keyring.
        private static let commands = [
            ["id"], ["friend", "list"], ["invite", "create"], ["portals", "list"], ["address"], ["doctor"],
            ["keyring", "check"], ["call", portal, "tunnel.ping"], ["connect", portal, "x", "--stdio"],
            ["connect", portal, "x", "--listen", "127.0.0.1:0"], ["speedtest", portal], ["serve"],
            ["portal", "--listen", "127.0.0.1:0"], ["join", "nonsense"],
        ]
        private static let portal = "net:127.0.0.1:1~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="

        @Test("No command ends by a signal, whatever is left", arguments: 4...16)
        func anyCommand(descriptors: Int) async throws {
            try await Stage.run { stage in
                try await stage.run(home: "node", ["portals", "add", Self.portal])
                for command in Self.commands {
                    let process = try cway(command, descriptors: descriptors, home: "node", on: stage)
                    let ending = try await process.end()
                    guard case .exit(let code) = ending else {
                        Issue.record("\(command), \(descriptors): \(ending), said \(process.log)")
                        continue
                    }
                    #expect(
                        code == 0 || process.log.contains("cway: "), "\(command): \(code), \(process.log)")
                }
            }
        }
    }
}
