import Foundation
import Glibc
import PeerSupport
import PortalCore
import Testing

extension Integration {
    /// What every command owes to who reads its output, or writes its input.
    @Suite("Standard input and output of commands")
    struct StandardStreamTests {
        private static let portal =
            "net:portal.example.org:8008~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="
        private static let failed = CwayProcess.Ending.exit(25)

        /// Commands that print something in the home that ``prepare(_:)`` makes.
        private static let printing = [
            ["--help"], ["help", "connect"], ["id"], ["id", "--json"], ["friend", "list", "--json"],
            ["invite", "create"], ["invite", "list"], ["invite", "list", "--json"], ["portals", "list"],
            ["portals", "list", "--json"], ["portal", "members", "list", "--json"],
            ["portal", "invites", "list", "--json"], ["keyring", "check"], ["address"],
            [
                "resolve",
                "tunnel:@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519:"
                    + "@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519:0~shs:"
                    + "51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=",
            ],
        ]

        private static func prepare(_ stage: Stage) async throws {
            try await stage.run(home: "home", ["portals", "add", portal])
            try await stage.run(home: "home", ["invite", "create"])
        }

        /// Starts `cway`, with a redirection of the shell's.
        private static func cway(
            _ arguments: [String], _ redirections: String = "", on stage: Stage, input: FileHandle? = nil,
            outputFile: FileHandle? = nil
        ) throws -> CwayProcess {
            try stage.start(
                URL(fileURLWithPath: "/bin/sh"),
                ["-c", "exec \"$0\" \"$@\" \(redirections)", Cway.program().path] + arguments,
                environment: ["CWAY_HOME": stage.path("home"), "CWAY_ALLOW_LOCAL": "true"], input: input,
                outputFile: outputFile)
        }

        @Test("No command ends with 0 whose output did not take everything", .timeLimit(.minutes(3)))
        func undelivered() async throws {
            try await Stage.run { stage in
                try await Self.prepare(stage)
                for command in Self.printing {
                    for output in OutputKind.allCases where !output.isWritable {
                        let file = try output.open(on: stage).file
                        let process = try Self.cway(
                            command, file == nil ? "1>&-" : "", on: stage, outputFile: file)
                        #expect(try await process.end() == Self.failed, "\(command) \(output)")
                        #expect(process.log.contains("standard output did not take"), "\(process.log)")
                    }
                }
            }
        }

        @Test("Nothing is written into files that have a closed stream's number")
        func closedStreams() async throws {
            try await Stage.run { stage in
                try await Self.prepare(stage)
                for redirections in ["1>&-", "2>&-", "0<&- 1>&-", "0<&- 1>&- 2>&-"] {
                    for command in [["invite", "create"], ["friend", "list"], ["nonsense"]] {
                        let process = try Self.cway(command, redirections, on: stage)
                        guard case .exit = try await process.end() else {
                            Issue.record("\(command) \(redirections)")
                            continue
                        }
                    }
                    let check = try Self.cway(["keyring", "check"], on: stage)
                    #expect(try await check.end() == .exit(0), "\(redirections): \(check.log)")
                }
            }
        }

        @Test("An output that does not block, and is full, is waited for")
        func fullPipe() async throws {
            try await Stage.run { stage in
                let (file, arrived) = try OutputKind.slowPipe.open(on: stage)
                let process = try Self.cway(["help", "connect"], on: stage, outputFile: file)
                let usual = try Self.cway(["help", "connect"], on: stage)
                #expect(try await process.end() == .exit(0), "\(process.log)")
                try await usual.end()
                #expect(try await arrived() == usual.outputText)
            }
        }

        @Test("Lines are read to the end of what does not block, and an error is no end")
        func lines() async throws {
            try await Stage.run { stage in
                try await Self.prepare(stage)
                for input in [InputKind.file, .pausingPipe, .terminal] {
                    let process = try Self.cway(
                        ["resolve", "--json", "-"], on: stage, input: try input.open(on: stage))
                    #expect(try await process.end() == .exit(2), "\(input): \(process.log)")
                    #expect(process.outputText.split(separator: "\n").count == 2_000, "\(input)")
                }
                for input in [InputKind.folder, .closed] {
                    for command in [["resolve", "-"], ["join", "-"]] {
                        let file = try input.open(on: stage)
                        let process = try Self.cway(
                            command, file == nil ? "0<&-" : "", on: stage, input: file)
                        #expect(try await process.end() == Self.failed, "\(command) \(input): \(process.log)")
                    }
                }
            }
        }

        @Test("Who waits for a reader of its output can be told to end")
        func unreadOutput() async throws {
            try await Stage.run { stage in
                let (pipe, portal) = (try UnreadPipe(), try await TestNetwork.Portal.start(on: stage))
                let call = try stage.cway(
                    home: "caller", ["call", portal.address, "tunnel.ping"], outputFile: pipe.writeEnd)
                try await portal.process.logLine(with: "connected")
                // Nobody says when a write waits.
                try await Task.sleep(for: .milliseconds(500))
                call.signal(SIGTERM)
                #expect(try await call.end(within: .seconds(10)) == .exit(128 + SIGTERM), "\(call.log)")
            }
        }

        @Test("Who serves waits for no reader of its output, works, and ends when told to")
        func unreadServing() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage)
                let echo = try await stage.service(.echo)
                let pipes = try (0..<3).map { _ in try UnreadPipe() }
                // Below those that the system gives out: nobody reads which it would be.
                let ports = Array((20_000..<30_000).shuffled().prefix(2))
                let second = try stage.cway(
                    home: "second", ["portal", "--listen", "127.0.0.1:\(ports[0])"],
                    outputFile: pipes[0].writeEnd)
                let server = try stage.cway(
                    home: "server",
                    [
                        "serve", "--portal", portal.address, "--allow-anyone", "--service",
                        "echo=127.0.0.1:\(echo.port)",
                    ],
                    outputFile: pipes[1].writeEnd)
                let line = try await server.logLine(with: "address=")
                let address = try #require(line.split(separator: " ").first { $0.hasPrefix("address=") })
                let target = String(address.dropFirst("address=".count))
                let forward = try stage.cway(
                    home: "caller",
                    [
                        "connect", target, "echo", "--portal", portal.address, "--listen",
                        "127.0.0.1:\(ports[1])",
                    ],
                    outputFile: pipes[2].writeEnd)
                // Each has had something to print by the time it works.
                let key = try await stage.id(home: "second").dropFirst().prefix(44)
                let call = ["call", "net:127.0.0.1:\(ports[0])~shs:\(key)", "tunnel.ping"]
                try await before(.seconds(20)) {
                    try await LocalConnection.dial(ports[1], untilEchoed: true)
                    while try await stage.cway(home: "caller", call).end() != .exit(0) {
                        try Task.checkCancellation()
                    }
                }
                for process in [second, server, forward] {
                    process.signal(SIGTERM)
                    #expect(
                        try await process.end(within: .seconds(5)) == Self.failed,
                        "\(process.command) \(process.log)")
                }
            }
        }

        @Test(
            "Who serves ends where its output takes nothing",
            arguments: OutputKind.allCases.filter { !$0.isWritable })
        func undeliveredServing(_ output: OutputKind) async throws {
            try await Stage.run { stage in
                let file = try output.open(on: stage).file
                let process = try Self.cway(
                    ["portal", "--listen", "127.0.0.1:0"], file == nil ? "1>&-" : "", on: stage,
                    outputFile: file)
                #expect(try await process.end() == Self.failed, "\(process.log)")
            }
        }

        @Test("Who stops when standard input ends does not when there is nothing to read yet")
        func untilInputEnds() async throws {
            try await Stage.run { stage in
                let pipe = Pipe()
                let descriptor = pipe.fileHandleForReading.fileDescriptor
                _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
                let portal = try await TestNetwork.Portal(
                    stage.cway(
                        home: "portal", ["portal", "--listen", "127.0.0.1:0", "--until-input-ends"],
                        input: pipe.fileHandleForReading))
                let call = try stage.cway(home: "caller", ["call", portal.address, "tunnel.ping"])
                #expect(try await call.end() == .exit(0), "\(call.log)")
                try pipe.fileHandleForWriting.close()
                #expect(try await portal.process.end() == .exit(0))
            }
        }
    }
}
