import Foundation
import Glibc
import Multiserver
import PeerSupport
import PortalCore
import Testing

extension Integration {
    /// What SIGHUP does to processes that serve: the settings are read again, or, under a terminal, they end.
    @Suite("SIGHUP")
    struct ReloadTests {
        private static let again = "the settings were read again"

        /// A portal, an endpoint that has its services from `config.json`, and where two services are.
        private struct World {
            let network: TestNetwork
            let echo, other: Int

            init(on stage: Stage, flags: [String] = []) async throws {
                (echo, other) = (try await stage.service(.echo).port, try await stage.service(.echo).port)
                try stage.configure("endpoint", services: ["echo": echo, "kept": other])
                network = try await TestNetwork.start(
                    on: stage, services: [:], serveFlags: ["--allow-anyone"] + flags)
            }

            var endpoint: CwayProcess { network.endpoint }

            func services() async throws -> String {
                try await network.callTarget("service.list").outputText
            }

            /// Opens a stream through a service, with the process that forwards it.
            func open(_ service: String, as home: String) async throws -> LocalConnection {
                let connection = try await LocalConnection.dial(
                    try await network.forward(service, home: home).port)
                try await connection.expectEcho("hello \(service)")
                return connection
            }
        }

        @Test("adds services, keeps the streams of those that stay, and ends those of others")
        func services() async throws {
            try await Stage.run { stage in
                let world = try await World(on: stage)
                let kept = try await world.open("kept", as: "anna")
                let ended = try await world.open("echo", as: "bert")

                try stage.configure("endpoint", services: ["new": world.echo, "kept": world.echo])
                world.endpoint.signal(SIGHUP)
                let line = try await world.endpoint.logLine(with: Self.again)
                #expect(line.contains("changed=services"), "\(line)")

                #expect(try await ended.end(within: .seconds(5)).ending == .broken)
                // Though the service is to be had elsewhere from now on.
                try await kept.send("more")
                #expect(try await kept.text(14) == "hello keptmore")
                #expect(try await world.services().contains(#"["new","kept"]"#))
                _ = try await world.open("new", as: "carl")
                // And not a second time: nothing has changed since.
                world.endpoint.signal(SIGHUP)
                try await world.endpoint.logLine(with: "are as before")
                try await kept.send("!")
                #expect(try await kept.text(15) == "hello keptmore!")
            }
        }

        @Test("adds an instance, and takes it away again")
        func instances() async throws {
            try await Stage.run { stage in
                let world = try await World(on: stage)
                func configure(_ instances: String) throws {
                    try stage.write(
                        #"{"services": ["kept=127.0.0.1:\#(world.other)"]\#(instances)}"#,
                        to: "endpoint/config.json")
                    world.endpoint.signal(SIGHUP)
                }
                let call = ["service.list", "--instance", "1", "--portal", world.network.portal.address]
                try configure(
                    #", "instances": {"1": {"services": ["git=127.0.0.1:\#(world.echo)"], "allowAnyone": true}}"#
                )
                let added = try await world.endpoint.logLine(with: Self.again)
                #expect(added.contains("services, instances"), "\(added)")
                let there = try await stage.run(home: "anna", ["call", world.network.target] + call)
                #expect(there.contains(#"["git"]"#), "\(there)")
                try configure("")
                try await world.endpoint.logLine(with: "changed=instances")
                try await stage.run(home: "anna", ["call", world.network.target] + call, code: 13)
                #expect(try await world.services().contains(#"["kept"]"#))
            }
        }

        @Test("keeps the settings that count when the file is broken, and says what is wrong with it")
        func brokenFile() async throws {
            try await Stage.run { stage in
                let world = try await World(on: stage)
                let kept = try await world.open("kept", as: "anna")
                let broken = [
                    (#"{"services": ["#, "are no JSON object, see line 1"),
                    (#"{"servces": []}"#, "'servces'"), (#"{"services": "ssh"}"#, "instead of a text"),
                    (#"{"services": ["a=localhost:1", "a=localhost:2"]}"#, "same name"),
                ]
                for (text, words) in broken {
                    try stage.write(text, to: "endpoint/config.json")
                    world.endpoint.signal(SIGHUP)
                    let line = try await world.endpoint.logLine(with: words)
                    #expect(line.contains("error") && line.contains("stay as they were"), "\(line)")
                }
                try await kept.send("more")
                #expect(try await kept.text(14) == "hello keptmore")
                #expect(try await world.services().contains(#"["echo","kept"]"#))
            }
        }

        @Test("leaves what the command line says on top, and says what counts from the next start on")
        func commandLine() async throws {
            try await Stage.run { stage in
                let world = try await World(on: stage, flags: ["--service", "mine=127.0.0.1:1"])
                #expect(try await world.services().contains(#"["mine"]"#))
                let network = String(repeating: "0f", count: 32)
                try stage.write(
                    #"{"services": ["x=localhost:1"], "name": "other", "network": "\#(network)"}"#,
                    to: "endpoint/config.json")
                world.endpoint.signal(SIGHUP)
                let delayed = try await world.endpoint.logLine(with: "when this is started again")
                #expect(delayed.contains("settings=network"), "\(delayed)")
                let line = try await world.endpoint.logLine(with: Self.again)
                #expect(line.contains("changed=name"), "\(line)")
                #expect(try await world.services().contains(#"["mine"]"#))
            }
        }

        @Test("moves a node to another portal, and has the log say more")
        func portals() async throws {
            try await Stage.run { stage in
                let first = try await TestNetwork.Portal.start(on: stage)
                let second = try await TestNetwork.Portal.start(on: stage, home: "portal-2")
                func configure(_ portal: TestNetwork.Portal, logLevel: String) throws {
                    try stage.write(
                        #"{"portals": ["\#(portal.address)"], "allowAnyone": true, "logLevel": "\#(logLevel)"}"#,
                        to: "endpoint/config.json")
                }
                try configure(first, logLevel: "info")
                let endpoint = try stage.cway(home: "endpoint", ["serve"])
                _ = try await endpoint.line()
                try configure(second, logLevel: "debug")
                endpoint.signal(SIGHUP)
                let line = try await endpoint.logLine(with: Self.again)
                #expect(line.contains("logLevel, portals"), "\(line)")
                let key = second.peer.key.id.dropFirst().prefix(43)
                _ = try await endpoint.line { $0.contains(key) }
                // Announced nowhere else any more.
                let network = TestNetwork(stage: stage, portal: first, endpoint: endpoint, target: "")
                let id = try await stage.id(home: "endpoint")
                while try await network.callPortal("tunnel.endpoints", "--limit", "1").outputText.contains(id)
                {
                    try Task.checkCancellation()
                }
            }
        }

        @Test("changes the limits of a portal")
        func portalLimits() async throws {
            try await Stage.run { stage in
                try stage.write("{}", to: "portal/config.json")
                let portal = try await TestNetwork.Portal.start(on: stage)
                try stage.write(
                    #"{"limits": {"connectionsPerAddress": 7, "memory": "32MiB"}}"#, to: "portal/config.json")
                portal.process.signal(SIGHUP)
                let delayed = try await portal.process.logLine(with: "when this is started again")
                #expect(delayed.contains("limits.memory"), "\(delayed)")
                let line = try await portal.process.logLine(with: Self.again)
                #expect(line.contains("changed=limits.connectionsPerAddress"), "\(line)")
                let held = try await withThrowingTaskGroup { tasks in
                    for _ in 0..<7 { tasks.addTask { try await LocalConnection.dial(portal.port) } }
                    return try await tasks.reduce(into: []) { $0.append($1) }
                }
                let busy = try stage.cway(home: "caller", ["call", portal.address, "whoami"])
                try await busy.end()
                #expect(busy.log.contains("busy") || busy.log.contains("limit"), "\(busy.log)")
                for connection in held { await connection.close() }
            }
        }

        @Test("ends commands in order whose terminal is closed", arguments: ["serve", "portal", "connect"])
        func terminal(_ command: String) async throws {
            try await Stage.run { stage in
                let echo = try await stage.service(.echo).port
                let network = try await TestNetwork.start(on: stage, services: ["echo": echo])
                let words =
                    switch command {
                    case "serve": ["serve", "--portal", network.portal.address, "--allow-anyone"]
                    case "portal": ["portal", "--listen", "127.0.0.1:0"]
                    default:
                        [
                            "connect", network.target, "echo", "--portal", network.portal.address, "--listen",
                            "127.0.0.1:0",
                        ]
                    }
                let process = try await Self.hangUp(words, on: stage)
                #expect(try await process.end(within: .seconds(5)) == .exit(0), "\(process.log)")
            }
        }

        /// Starts a command with a terminal of its own, and closes that once the command is ready.
        private static func hangUp(_ words: [String], on stage: Stage) async throws -> CwayProcess {
            let terminal = try PromptTests.Terminal()
            let process = try stage.start(
                URL(fileURLWithPath: "/usr/bin/setsid"), ["--ctty", Cway.program().path] + words,
                environment: ["CWAY_HOME": stage.path("terminal"), "CWAY_ALLOW_LOCAL": "true"],
                input: terminal.slave)
            _ = try await process.line()
            try terminal.slave.close()
            try terminal.master.close()
            return process
        }

        @Test("ends `connect --listen` in order also without a terminal")
        func forward() async throws {
            try await Stage.run { stage in
                let world = try await World(on: stage)
                let forward = try await world.network.forward("echo")
                forward.process.signal(SIGHUP)
                #expect(try await forward.process.end(within: .seconds(5)) == .exit(0))
            }
        }
    }
}

extension Stage {
    /// Writes a file of a home folder, which is made where it is missing.
    fileprivate func write(_ text: String, to name: String) throws {
        let file = URL(fileURLWithPath: path(name))
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        try Data(text.utf8).write(to: file)
    }

    /// Writes the settings of a home, with these services at ports of this machine.
    fileprivate func configure(_ home: String, services: KeyValuePairs<String, Int>) throws {
        let list = services.map { #""\#($0)=127.0.0.1:\#($1)""# }.joined(separator: ", ")
        try write(#"{"services": [\#(list)]}"#, to: "\(home)/config.json")
    }
}
