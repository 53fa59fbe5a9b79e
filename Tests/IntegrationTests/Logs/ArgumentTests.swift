import Foundation
import Glibc
import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("Secrets on the command line, and in memory")
    struct ArgumentTests {
        /// What every user of the machine may read of a process.
        private static func commandLine(of process: CwayProcess) throws -> String {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/\(process.id)/cmdline"))
            return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
        }

        /// Waits until the secret is not to be seen, and looks that the other words are.
        ///
        /// Without suspension, because the commands do not last: other tests may keep the threads that resume it.
        private static func expectHidden(_ secret: String, _ words: [String], in process: CwayProcess) throws
        {
            let deadline = ContinuousClock.now + .seconds(5)
            var line = ""
            // At first it may be that of the test, which the process was forked from.
            while !line.contains("****") {
                try #require(ContinuousClock.now < deadline, "the list of processes shows \(line)")
                usleep(2_000)
                line = try commandLine(of: process)
            }
            #expect(!line.contains(secret) && words.allSatisfy(line.contains), "\(line)")
        }

        @Test("a code that is an argument is overwritten in the list of processes")
        func overwritten() async throws {
            try await Stage.run { stage in
                // Somebody who takes connections and says nothing: the command is there for ten seconds.
                let silent = try await stage.service(.sink)
                let key = "51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="
                let portal = "net:127.0.0.1:\(silent.port)~shs:\(key)"
                try await stage.run(home: "owner", ["portals", "add", portal])
                let code = try await FriendNetwork.invite("anna", on: stage)
                let join = try stage.cway(home: "anna", ["join", code, "--name", "home"])
                try Self.expectHidden(String(code.dropFirst(20)), ["join", "--name", "home"], in: join)

                let seed = "EmTS7aJxVxrhYUsOTmxBcTGLXvCLDlIxbsMSLdlzSAI="
                let invite = "127.0.0.1:\(silent.port):@\(key).ed25519~\(seed)"
                let add = try stage.cway(home: "anna", ["portals", "add", invite, "--open"])
                try Self.expectHidden(seed, ["portals", "add", "--open"], in: add)
                for process in [join, add] { process.signal(SIGINT) }
            }
        }

        @Test("no process leaves a core dump")
        func core() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage)
                let limits = try FileHandle(
                    forReadingFrom: URL(fileURLWithPath: "/proc/\(portal.process.id)/limits"))
                let lines = String(decoding: try limits.readToEnd() ?? Data(), as: UTF8.self).split(
                    separator: "\n")
                let line = try #require(lines.first { $0.hasPrefix("Max core file size") })
                #expect(line.split(separator: " ").suffix(3) == ["0", "0", "bytes"])
            }
        }
    }
}
