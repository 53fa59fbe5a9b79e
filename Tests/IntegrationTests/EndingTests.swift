import Foundation
import Glibc
import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("Signals and streams")
    struct EndingTests {
        private static let limit = Duration.seconds(5)

        /// Everything that runs at once, in use.
        private struct World {
            let network: TestNetwork
            let forward, pipe: CwayProcess
            let connection: LocalConnection
            /// Held open: the end of its input is the end of `pipe`.
            let input: Pipe

            init(on stage: Stage) async throws {
                network = try await TestNetwork.start(
                    on: stage, services: ["echo": stage.service(.echo).port])
                let forward = try await network.forward("echo")
                self.forward = forward.process
                connection = try await LocalConnection.dial(forward.port)
                try await connection.send("open")
                #expect(try await connection.text(4) == "open")
                input = Pipe()
                pipe = try network.connect("echo", ["--stdio"], input: input.fileHandleForReading)
                try input.fileHandleForWriting.write(contentsOf: Data("piped\n".utf8))
                #expect(try await pipe.line() == "piped")
            }
        }

        @Test("Users, endpoint and portal end in order, each with its code", arguments: [SIGTERM, SIGINT])
        func usersFirst(_ signal: Int32) async throws {
            try await Stage.run { stage in
                let world = try await World(on: stage)
                world.pipe.signal(signal)
                #expect(try await world.pipe.end(within: Self.limit) == .exit(128 + signal))
                for process in [world.forward, world.network.endpoint, world.network.portal.process] {
                    process.signal(signal)
                    #expect(try await process.end(within: Self.limit) == .exit(0), "\(process.command)")
                }
                #expect(try await world.connection.end(within: Self.limit).ending == .broken)
                // One line of results from each, and the log elsewhere.
                #expect(world.network.portal.process.outputText == world.network.portal.address + "\n")
                #expect(world.network.endpoint.outputText == world.network.target + "\n")
                #expect(world.forward.outputText.split(separator: "\n").count == 1)
                #expect(world.pipe.outputText == "piped\n")
            }
        }

        @Test("The portal first, then those who dial it again meanwhile", arguments: [SIGTERM, SIGINT])
        func portalFirst(_ signal: Int32) async throws {
            try await Stage.run { stage in
                let world = try await World(on: stage)
                world.network.portal.process.signal(signal)
                #expect(try await world.network.portal.process.end(within: Self.limit) == .exit(0))
                #expect(try await world.pipe.end(within: Self.limit) == .exit(17), "\(world.pipe.log)")
                #expect(try await world.connection.end(within: Self.limit).ending == .broken)
                try await world.network.endpoint.logLine(with: "no connection to the portal")
                try await world.forward.logLine(with: "no session yet")
                for process in [world.forward, world.network.endpoint] {
                    process.signal(signal)
                    #expect(try await process.end(within: Self.limit) == .exit(0), "\(process.command)")
                }
            }
        }

        @Test("A method that is being followed ends with the signal's code")
        func call() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage)
                let watch = try stage.cway(
                    home: "watcher", ["call", portal.address, "tunnel.endpoints", "--source"])
                _ = try await watch.line()
                watch.signal(SIGINT)
                #expect(try await watch.end(within: Self.limit) == .exit(130))
            }
        }

        @Test("No process has said a secret")
        func secrets() async throws {
            try await Stage.run { stage in
                let world = try await World(on: stage)
                _ = try await world.network.callTarget("service.list")
                for process in [world.forward, world.network.endpoint, world.network.portal.process] {
                    process.signal(SIGTERM)
                    try await process.end(within: Self.limit)
                }
                // That they are not said is checked at the end of every test; here, that there are any.
                let secrets = try stage.secrets
                #expect(secrets.count == 3)
                #expect(Set(secrets).count == 3)
                #expect(stage.everythingSaid.contains("trace") || stage.everythingSaid.contains("debug"))
            }
        }
    }
}
