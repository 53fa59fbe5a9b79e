internal import FoundationEssentials
internal import Multiserver
internal import NIOCore
internal import NIOPosix
internal import Node

/// The three NATS servers of the demo: a cluster of their own on the loopback interface, with JetStream in its folder.
package struct DemoEngine: Sendable {
    /// The places where packages put the server, beside those of `PATH`.
    package static let usualFolders = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]
    /// So long the servers may take to choose a leader.
    private static let readyTime = Duration.seconds(15)

    /// What a shell does with a server.
    ///
    /// The server has no input to watch, so the shell watches its own: when the demo is gone in whatever way, that ends, and
    /// the server is killed. SIGTERM of the shell kills it too.
    private static let keeper = """
        exec 3<&0; "$@" </dev/null 3<&- & server=$!; { cat <&3 >/dev/null; kill -KILL $server; } & watch=$!
        trap 'kill -KILL $server' TERM; wait $server; kill $watch; exit 0
        """

    private let server: String
    private let stage: DemoStage
    private let group: any EventLoopGroup
    /// Of each server: for clients, for the other servers, and for questions about its health.
    private let ports: [(client: Int, route: Int, health: Int)]

    /// Finds the program of NATS in the folders of `PATH`, or in these.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/programMissing``.
    package static func server(
        path: String?, orIn usualFolders: [String] = usualFolders
    ) throws -> String {
        let folders = (path ?? "").split(separator: ":").map(String.init) + usualFolders
        let found = folders.lazy.map { "\($0)/nats-server" }.first(
            where: FileManager.default.isExecutableFile)
        guard let found else {
            throw CommandFailure(
                .programMissing,
                "nats-server is not installed, over which the machines of a portal talk: apt-get install nats-server"
            )
        }
        return found
    }

    init(server: String, stage: DemoStage, group: any EventLoopGroup) async throws {
        self.server = server
        self.stage = stage
        self.group = group
        let free = try await FreePorts.take(9, on: group)
        ports = (0..<3).map { (free[$0], free[$0 + 3], free[$0 + 6]) }
    }

    /// All of them, as `--cluster` takes it.
    var addresses: String { ports.map { "nats://127.0.0.1:\($0.client)" }.joined(separator: ",") }

    /// Starts one, again where it was killed.
    func start(_ role: DemoProcess.Role) throws {
        guard let index = DemoProcess.Role.servers.firstIndex(of: role) else { return }
        let routes = ports.map { "nats://127.0.0.1:\($0.route)" }.joined(separator: ",")
        _ = try stage.launch(
            role,
            [
                "-c", Self.keeper, "sh", server, "-n", "\(role)", "--cluster_name", "cway", "-js",
                "-sd", stage.home(of: role), "-a", "127.0.0.1", "-p", "\(ports[index].client)",
                "-m", "\(ports[index].health)", "--cluster", "nats://127.0.0.1:\(ports[index].route)",
                "--routes", routes,
            ], of: "/bin/sh")
    }

    /// Waits until all say that they are well, their store included.
    func isReady() async throws {
        let deadline = ContinuousClock.now + Self.readyTime
        for port in ports {
            while (try? await isHealthy(port.health)) != true {
                guard ContinuousClock.now < deadline else {
                    throw CommandFailure(
                        .unexpected, "the NATS servers did not get ready in \(Self.readyTime)")
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    private func isHealthy(_ port: Int) async throws -> Bool {
        try await DemoVisitor.visit(port: port, on: group) { visitor in
            _ = try await visitor.fetch("/healthz") { _ in }
            return true
        }
    }
}

/// One machine of the portal.
struct DemoMachine: Sendable {
    let role: DemoProcess.Role
    let linkPort: Int
    var isAlive = true
    private let process: DemoProcess
    /// The line that it prints.
    private(set) var address = ""
    /// Where nodes dial it.
    private(set) var port = 0

    /// Starts it; port 0 is any free one.
    init(
        _ role: DemoProcess.Role, port: Int = 0, linkPort: Int, _ engine: DemoEngine, _ stage: DemoStage
    ) throws {
        self.role = role
        self.linkPort = linkPort
        process = try stage.launch(
            role,
            [
                "portal", "--listen", "127.0.0.1:\(port)", "--cluster", engine.addresses, "--cluster-listen",
                "127.0.0.1:\(linkPort)", "--drain", "2",
            ])
    }

    /// Waits for its address.
    mutating func isListening() async throws {
        address = try await process.firstLine()
        guard case .peer(let peer) = try Address(address) else {
            throw CommandFailure(.unexpected, "the \(role) printed no address: \(address)")
        }
        port = Int(peer.net.port)
    }
}

/// Ports that nobody listens on at this moment.
enum FreePorts {
    /// So many different ones.
    static func take(_ count: Int, on group: any EventLoopGroup) async throws -> [Int] {
        var channels: [any Channel] = []
        for _ in 0..<count {
            channels.append(try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get())
        }
        let ports = channels.map { $0.localAddress?.port ?? 0 }
        for channel in channels { try await channel.close() }
        return ports
    }
}
