package import Foundation
internal import Glibc
internal import Multiserver
package import TypedSodium

/// One portal on several machines, with NATS, as processes; whatever becomes of a test, nothing of them is left.
package final class ClusterStage: Sendable {
    /// A machine's ports.
    package struct Place: Sendable {
        /// Where nodes dial it, and other machines.
        package let port, linkPort: UInt16
        /// Where it serves its metrics.
        package let metricsPort: UInt16
    }

    /// How it is set up.
    package struct Plan: Sendable {
        package var machineCount = 3
        package var serverCount = 3
        /// So long a machine that ends waits for its tunnels.
        package var drainSeconds = 5
        /// Further options of each machine.
        package var flags = [
            "--connections-per-address", "1000", "--handshakes-per-second", "1000", "--exact-metrics",
        ]
        /// How long what the machines say to each other is on its way.
        package var linkDelay = Duration.zero

        package init() {}
    }

    /// Below the system's temporary folder, for its owner alone.
    package let folder: URL
    package let plan: Plan
    package let engine: NATSTrio
    package let places: [Place]
    /// The portal's key as addresses have it.
    private let key = Watched("")
    private let machines = Watched<[Int: CwayProcess]>([:])
    private let processes = Watched<[CwayProcess]>([])
    private let services = Watched<[PatternService]>([])
    /// In front of each machine's port for links, where there is a delay.
    private let lines: [DelayLine]

    private init(_ plan: Plan) throws {
        self.plan = plan
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "cway-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        engine = try NATSTrio(below: folder, count: plan.serverCount)
        let ports = try LoopbackSocket.freePorts(3 * plan.machineCount)
        places = (0..<plan.machineCount).map {
            Place(port: ports[3 * $0], linkPort: ports[3 * $0 + 1], metricsPort: ports[3 * $0 + 2])
        }
        let delay = plan.linkDelay
        lines = delay == .zero ? [] : try places.map { try DelayLine(to: $0.linkPort, delay: delay) }
    }

    /// Starts NATS and the machines, runs `body`, then ends everything and removes what was written.
    package static func run<Value>(
        _ plan: Plan = Plan(), _ body: (ClusterStage) async throws -> Value
    ) async throws -> Value {
        let stage = try ClusterStage(plan)
        let result: Result<Value, any Error>
        do {
            try await stage.start()
            result = .success(try await body(stage))
        } catch {
            result = .failure(error)
        }
        let processes = stage.processes.value
        for process in processes { process.discard() }
        for process in processes { _ = try? await process.end(within: .seconds(5)) }
        for index in 0..<plan.serverCount { stage.engine.kill(index) }
        for service in stage.services.value { service.stop() }
        for line in stage.lines { line.stop() }
        try? FileManager.default.removeItem(at: stage.folder)
        return try result.get()
    }

    private func start() async throws {
        try await engine.startAll()
        let id = try await output(home: "machine0", ["id"])
        let text = id.trimmingCharacters(in: .whitespacesAndNewlines)
        key.update { $0 = text.dropFirst().replacingOccurrences(of: ".ed25519", with: "") }
        for index in 1..<max(1, plan.machineCount) {
            try FileManager.default.createDirectory(
                atPath: path("machine\(index)"), withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
            try FileManager.default.copyItem(
                atPath: path("machine0/secret"), toPath: path("machine\(index)/secret"))
        }
        for index in places.indices {
            // For commands that change who may do what.
            let servers = engine.addresses.split(separator: ",").map { "\"\($0)\"" }.joined(separator: ",")
            let settings =
                #"{"cluster":{"servers":[\#(servers)],"listen":"127.0.0.1:\#(places[index].linkPort)"}}"#
            try settings.write(
                toFile: path("machine\(index)/config.json"), atomically: false, encoding: .utf8)
        }
        for index in places.indices { try startMachine(index) }
        for index in places.indices { try await isReady(index) }
    }

    /// A file or folder of the test; nothing need be there.
    package func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    // MARK: Addresses

    /// The portal's id.
    package var id: String { "@\(key.value).ed25519" }

    /// The address of one machine.
    package func address(of index: Int) -> String {
        "net:127.0.0.1:\(places[index].port)~shs:\(key.value)"
    }

    /// The addresses of some machines, or of all, as one.
    package func address(of indices: [Int]? = nil) -> String {
        (indices ?? Array(places.indices)).map { address(of: $0) }.joined(separator: ";")
    }

    // MARK: Machines

    /// Starts a machine, again where it has ended.
    package func startMachine(_ index: Int) throws {
        let place = places[index]
        let process = try cway(
            home: "machine\(index)",
            [
                "portal", "--listen", "127.0.0.1:\(place.port)", "--cluster", engine.addresses,
                "--cluster-listen", "127.0.0.1:\(place.linkPort)", "--drain", "\(plan.drainSeconds)",
                "--metrics", "127.0.0.1:\(place.metricsPort)", "--log-level", "info",
            ] + (lines.isEmpty ? [] : ["--cluster-advertise", "127.0.0.1:\(lines[index].port)"])
                + plan.flags)
        machines.update { $0[index] = process }
    }

    /// Waits until a machine serves.
    package func isReady(_ index: Int, within limit: Duration = .seconds(40)) async throws {
        let port = places[index].metricsPort
        let process = machines.value[index]
        do {
            try await before(limit) {
                while true {
                    if process?.ending != nil { break }
                    if let answer = try? LoopbackSocket.answer(of: port, to: "/readyz"),
                        answer.contains(" 200 OK")
                    {
                        return
                    }
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
        } catch {
            throw CwayProcess.Failure(description: "machine \(index): \(error): \(process?.log ?? "")")
        }
        guard process?.ending == nil else {
            _ = try await process?.end()
            throw CwayProcess.Failure(
                description:
                    "machine \(index) has ended: \(String(describing: process?.ending)), \(process?.log ?? "")"
            )
        }
    }

    /// The process of a machine, the last one that was started.
    package func machine(_ index: Int) -> CwayProcess? { machines.value[index] }

    /// Kills a machine.
    package func killMachine(_ index: Int) async throws {
        machines.value[index]?.signal(SIGKILL)
        try await machines.value[index]?.end()
    }

    /// The machine to which a process has a connection, by the system's table of sockets.
    package func machine(of process: CwayProcess) -> Int? {
        let ports = SocketTable.remotePorts(of: process.id)
        return places.firstIndex { ports.contains($0.port) }
    }

    /// The value of a line of a machine's metrics, of one label or summed over all; `nil` where there is none.
    package func metric(_ name: String, _ label: String? = nil, of index: Int) throws -> Double? {
        let text = try LoopbackSocket.answer(of: places[index].metricsPort, to: "/metrics")
        let lines = text.split(whereSeparator: \.isNewline).filter { line in
            (line.hasPrefix(name + " ") || line.hasPrefix(name + "{"))
                && (label.map { line.contains("\"\($0)\"") } ?? true)
        }
        guard !lines.isEmpty else { return nil }
        return lines.compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
    }

    /// Waits until a value of a machine's metrics is as wanted.
    package func metric(
        _ name: String, of index: Int, within limit: Duration = .eventDeadline,
        where isWanted: @escaping @Sendable (Double) -> Bool
    ) async throws {
        do {
            try await before(limit) {
                while true {
                    if let value = try? self.metric(name, of: index), isWanted(value) { return }
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
        } catch {
            throw CwayProcess.Failure(
                description: "machine \(index), \(name): \(try metric(name, of: index) ?? -1): \(error)")
        }
    }

    /// Waits until each machine that runs has NATS, or none has it.
    package func engine(isUp: Bool) async throws {
        for index in places.indices where machine(index)?.ending == nil {
            try await metric("cway_cluster_engine_up", of: index) { ($0 == 1) == isUp }
        }
    }

    // MARK: Members

    /// Fresh identities that all machines know as members.
    package func members(_ count: Int) async throws -> [Identity] {
        let name = "cway_cluster_policy_index"
        let former = try metric(name, of: 0) ?? 0
        var members: [Identity] = []
        for _ in 0..<count {
            let identity = try Identity.random()
            _ = try await output(home: "machine0", ["portal", "members", "add", identity.publicKey.id])
            members.append(identity)
        }
        for index in places.indices { try await metric(name, of: index) { $0 >= former + Double(count) } }
        return members
    }

    // MARK: Nodes

    /// Starts `cway` in the home folder of that name.
    @discardableResult
    package func cway(
        home: String, _ arguments: [String], input: FileHandle? = nil, outputFile: FileHandle? = nil
    ) throws -> CwayProcess {
        let process = try CwayProcess(
            ChildProcess.built("cway"), arguments,
            environment: ["CWAY_HOME": path(home), "CWAY_ALLOW_LOCAL": "true", "CWAY_DEBUGGABLE": "yes"],
            input: input, outputFile: outputFile)
        processes.update { $0.append(process) }
        return process
    }

    /// Runs `cway` to its end, which is to be a success, and returns what it has printed.
    package func output(home: String, _ arguments: [String]) async throws -> String {
        let process = try cway(home: home, arguments)
        let ending = try await process.end()
        processes.update { $0.removeAll { $0 === process } }
        guard ending == .exit(0) else {
            throw CwayProcess.Failure(description: "\(process.command): \(ending), said: \(process.log)")
        }
        return process.outputText
    }

    /// A service of the test itself.
    package func service() throws -> PatternService {
        let service = try PatternService()
        services.update { $0.append(service) }
        return service
    }
}
