import Foundation
import Glibc
import PeerSupport
import Testing

extension Heavy {
    @Suite("A portal's program is replaced", .needs(.socketActivation))
    struct UpgradeTests {
        /// How soon endpoints have to be back.
        private static let returnLimit = Duration.seconds(3)

        /// Plays the part of systemd: it keeps the socket that it was given, and starts the program whenever that ended.
        private static let keeper = """
            trap 'kill $child; wait $child; exit 0' TERM
            while :; do
              sh -c 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" portal --log-level debug' "$1" &
              child=$!
              wait $child
            done
            """

        @Test("and nobody is refused meanwhile; endpoints are back soon, also beside a silent connection")
        func upgrade() async throws {
            try await PeerStage.run { stage in
                let port = try LoopbackSocket.freePort()
                let program = stage.folder.appendingPathComponent("cway")
                try FileManager.default.copyItem(at: ChildProcess.built("cway"), to: program)
                let portal = try await stage.activated(
                    at: "127.0.0.1:\(port)", ["sh", "-c", Self.keeper, "sh", program.path],
                    // So that /proc says which program a process runs, whoever runs the tests.
                    variables: stage.variables(home: "portal").merging(["CWAY_DEBUGGABLE": "yes"]) { $1 })
                // It starts the program for the first connection.
                let silent = try LoopbackSocket.dialling(port)
                defer { silent.cut() }
                let address = try await portal.line()
                #expect(address.contains("127.0.0.1:\(port)"))

                let endpoint = try stage.cway(
                    home: "endpoint",
                    ["serve", "--portal", address, "--allow-anyone", "--log-level", "debug"])
                _ = try await endpoint.line()
                let first = try Self.processes(of: program)
                try #require(first.count == 1)

                let dialling = Task { try await Self.dialOn(port) }
                // The new program takes the place of the old one, whose file stays open where it runs.
                let replacement = stage.folder.appendingPathComponent("cway.new")
                try FileManager.default.copyItem(at: ChildProcess.built("cway"), to: replacement)
                let status = unsafe rename(replacement.path, program.path)
                try #require(status == 0)
                let start = ContinuousClock.now
                kill(first[0], SIGTERM)
                _ = try await portal.lines(2)
                _ = try await endpoint.lines(2)
                let time = ContinuousClock.now - start
                #expect(time < Self.returnLimit, "back after \(time)")
                dialling.cancel()
                let dialled = try await dialling.value
                #expect(dialled > 10, "\(dialled) connections")
                let second = try Self.processes(of: program)
                #expect(second.count == 1 && second != first)
                // A friend gets through the new one.
                let caller = try stage.cway(
                    home: "caller", ["call", address, "tunnel.endpoints", "--limit", "1"])
                #expect(try await caller.end() == .exit(0), "\(caller.log)")
            }
        }

        /// Connects over and over, until it is cancelled; the number of connections, of which none was refused.
        private static func dialOn(_ port: UInt16) async throws -> Int {
            var count = 0
            while !Task.isCancelled {
                try LoopbackSocket.dialling(port).cut()
                count += 1
                try? await Task.sleep(for: .milliseconds(20))
            }
            return count
        }

        /// The processes that run a program.
        private static func processes(of program: URL) throws -> [Int32] {
            try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter {
                id in
                let file = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/exe")
                return file?.hasPrefix(program.path) == true
            }
        }
    }
}
