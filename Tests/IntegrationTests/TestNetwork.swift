import Foundation
import Multiserver
import PeerSupport
import PortalCore
import Testing

/// A portal and an endpoint as processes, with fresh homes.
struct TestNetwork: Sendable {
    let stage: Stage
    let portal: Portal
    let endpoint: CwayProcess
    /// The tunnel address that the endpoint printed.
    let target: String

    /// A running `cway portal`, and where it listens.
    struct Portal: Sendable {
        let process: CwayProcess
        let address: String
        let peer: PeerAddress

        /// Starts one; port 0 is any free one.
        static func start(
            on stage: Stage, home: String = "portal", port: Int = 0, _ flags: [String] = []
        ) async throws -> Portal {
            let process = try stage.cway(
                home: home, ["portal", "--listen", "127.0.0.1:\(port)", "--log-level", "trace"] + flags)
            return try await Portal(process)
        }

        /// Awaits its address.
        init(_ process: CwayProcess) async throws {
            self.process = process
            address = try await process.line()
            guard case .peer(let peer) = try Address(address) else {
                throw CwayProcess.Failure(description: "no address of a portal: \(address)")
            }
            self.peer = peer
        }

        var port: Int { Int(peer.net.port) }
    }

    /// Starts both, with services by their names and ports, and awaits the announcement.
    static func start(
        on stage: Stage, services: KeyValuePairs<String, Int>, portalFlags: [String] = [],
        serveFlags: [String] = ["--allow-anyone"]
    ) async throws -> TestNetwork {
        let portal = try await Portal.start(on: stage, portalFlags)
        let endpoint = try serve(
            on: stage, at: [portal],
            flags: serveFlags + services.flatMap { ["--service", "\($0)=127.0.0.1:\($1)"] })
        return TestNetwork(
            stage: stage, portal: portal, endpoint: endpoint, target: try await endpoint.line())
    }

    /// Starts `cway serve`.
    static func serve(
        on stage: Stage, home: String = "endpoint", at portals: [Portal], flags: [String]
    ) throws -> CwayProcess {
        let arguments = portals.flatMap { ["--portal", $0.address] } + flags
        return try stage.cway(home: home, ["serve", "--log-level", "trace"] + arguments)
    }

    /// Starts `cway connect` to a service.
    func connect(
        _ service: String, _ flags: [String], home: String = "caller", input: FileHandle? = nil,
        outputFile: FileHandle? = nil
    ) throws -> CwayProcess {
        try stage.cway(
            home: home,
            ["connect", target, service, "--portal", portal.address, "--log-level", "trace"] + flags,
            input: input, outputFile: outputFile)
    }

    /// Starts `cway connect --listen` and awaits its port.
    func forward(_ service: String, home: String = "caller") async throws -> (process: CwayProcess, port: Int)
    {
        let process = try connect(service, ["--listen", "127.0.0.1:0"], home: home)
        let line = try await process.line()
        let port = try #require(line.split(separator: ":").last.flatMap { Int($0) }, "no port: \(line)")
        return (process, port)
    }

    /// Runs `cway call` at the portal to its end.
    func callPortal(_ arguments: String...) async throws -> CwayProcess {
        let process = try stage.cway(home: "caller", ["call", portal.address] + arguments)
        try await process.end()
        return process
    }

    /// Runs `cway call` through the tunnel to its end.
    func callTarget(_ arguments: String..., home: String = "caller") async throws -> CwayProcess {
        let process = try stage.cway(home: home, ["call", target, "--portal", portal.address] + arguments)
        try await process.end()
        return process
    }
}
