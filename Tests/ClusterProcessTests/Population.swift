import ClusterSimulation
import Foundation
import Multiserver
import NIOCore
import PeerSupport
import Synchronization
import Watching

/// Endpoints and clients of a cluster, each a process, and what came of all their transfers.
final class Population: Sendable {
    /// An endpoint, with a service of its own.
    struct Endpoint: Sendable {
        let number: Int
        let isHidden: Bool
        let service: PatternService
        /// What a client calls it.
        let target: String
        /// Its key, where it is open.
        let id: String

        var home: String { "endpoint\(number)" }
    }

    /// A client that forwards a local port to the service of one endpoint.
    struct Client: Sendable {
        let number: Int
        let endpoint: Endpoint
        let process: CwayProcess
        let port: UInt16

        var home: String { "client\(number)" }
    }

    let stage: ClusterStage
    let endpoints: [Endpoint]
    let clients: [Client]
    private let history = Mutex(History(at: .now()))
    private let processes: Mutex<[Int: CwayProcess]>

    private init(
        _ stage: ClusterStage, _ endpoints: [Endpoint], _ clients: [Client], _ processes: [Int: CwayProcess]
    ) {
        (self.stage, self.endpoints, self.clients) = (stage, endpoints, clients)
        self.processes = Mutex(processes)
    }

    /// So many endpoints, every other one hidden, and as many clients, each of one of them by chance.
    static func start(
        _ count: Int, on stage: ClusterStage, _ random: inout SimulationRandom
    ) async throws -> Population {
        var (endpoints, processes): ([Endpoint], [Int: CwayProcess]) = ([], [:])
        var codes: [Int: String] = [:]
        // Who calls whom, before the invites are made.
        let pairs = (0..<count).map { $0 }.shuffled(using: &random)
        for number in 0..<count {
            let isHidden = number % 2 == 1
            let service = try stage.service()
            let home = "endpoint\(number)"
            if isHidden {
                _ = try await stage.output(home: home, ["portals", "add", stage.address()])
                codes[number] = try await stage.output(
                    home: home, ["invite", "create", "--service", "bytes"]
                ).trimmingCharacters(in: .newlines)
            }
            let process = try stage.serve(home: home, service, isHidden: isHidden)
            processes[number] = process
            let target = try await process.line()
            endpoints.append(
                Endpoint(
                    number: number, isHidden: isHidden, service: service,
                    target: isHidden ? "home" : target,
                    id: isHidden ? "" : try TunnelAddress(MultiserverAddress(target)).target.id))
        }
        var clients: [Client] = []
        for number in 0..<count {
            let endpoint = endpoints[pairs[number]]
            let home = "client\(number)"
            if let code = codes[endpoint.number] {
                _ = try await stage.output(home: home, ["join", code, "--name", "home"])
            }
            let process = try stage.cway(
                home: home,
                ["connect", endpoint.target, "bytes", "--listen", "127.0.0.1:0", "--wait"]
                    + (endpoint.isHidden ? [] : ["--portal", stage.address()]))
            let line = try await process.line()
            guard let port = line.split(separator: ":").last.flatMap({ UInt16($0) }) else {
                throw CwayProcess.Failure(description: "no port: \(line)")
            }
            clients.append(Client(number: number, endpoint: endpoint, process: process, port: port))
        }
        return Population(stage, endpoints, clients, processes)
    }

    // MARK: Calls

    /// A client gets bytes of its endpoint; they are checked, and the call has to succeed if all has been well.
    @discardableResult
    func fetch(
        _ client: Client, byteCount: Int, seed: UInt64, mustSucceed: Bool = false
    ) async -> PatternOutcome {
        let outcome = await PatternService.fetched(byteCount, seed: seed, from: client.port)
        let name = "client \(client.number) of endpoint \(client.endpoint.number)"
        history.withLock { history in
            history.add(transfer: outcome, name)
            history.add(
                call: name, succeeded: outcome.isWhole, mustSucceed: mustSucceed,
                found:
                    "\(outcome.receivedByteCount) of \(byteCount) bytes after \(outcome.time), \(outcome.error)"
            )
        }
        return outcome
    }

    /// A command of its own dials, finds an open endpoint, gets bytes of it and ends.
    @discardableResult
    func call(
        _ endpoint: Endpoint, as client: Client, byteCount: Int, seed: UInt64, mustSucceed: Bool
    ) async throws -> Bool {
        let name = "a fresh call of client \(client.number) to endpoint \(endpoint.number)"
        let (request, answer) = (stage.path("\(UUID()).in"), stage.path("\(UUID()).out"))
        let bytes = PatternService.request(seed: seed, byteCount: byteCount)
        try Data(bytes).write(to: URL(fileURLWithPath: request))
        try Data().write(to: URL(fileURLWithPath: answer))
        let process = try stage.cway(
            home: client.home,
            ["connect", endpoint.target, "bytes", "--stdio", "--portal", stage.address()],
            input: try FileHandle(forReadingFrom: URL(fileURLWithPath: request)),
            outputFile: try FileHandle(forWritingTo: URL(fileURLWithPath: answer)))
        let ending = try await process.end()
        let received = [UInt8](try Data(contentsOf: URL(fileURLWithPath: answer)))
        var outcome = PatternOutcome(expectedByteCount: byteCount)
        outcome.receivedByteCount = received.count
        outcome.isPrefix =
            received.count <= byteCount
            && PatternBytes(seed: seed).matches(received, count: received.count, at: 0)
        outcome.hasEndedClean = ending == .exit(0)
        history.withLock { history in
            history.add(transfer: outcome, name)
            history.add(
                call: name, succeeded: outcome.isWhole, mustSucceed: mustSucceed,
                found: "\(ending), \(received.count) of \(byteCount) bytes; \(process.log)")
        }
        return outcome.isWhole
    }

    /// Has every client call until it gets through, for so long at most; how long the last one took.
    func recover(within limit: Duration, after event: String, seed: UInt64) async -> Duration {
        let start = ContinuousClock.now
        let times = await withTaskGroup(of: Duration?.self) { tasks in
            for client in clients {
                tasks.addTask { [self] in
                    // No pause in between: a try waits by itself, since its client holds it until a session stands.
                    while client.process.ending == nil, ContinuousClock.now - start < limit {
                        let outcome = await fetch(client, byteCount: 2_000, seed: seed)
                        if outcome.isWhole { return .now - start }
                    }
                    guard client.process.ending == nil else { return nil }
                    history.withLock {
                        $0.violate(
                            "a",
                            "client \(client.number) does not reach endpoint \(client.endpoint.number) within "
                                + "\(limit) after \(event)")
                    }
                    return nil
                }
            }
            return await tasks.reduce(into: []) { $0.append($1) }
        }
        checkAlive()
        return times.compactMap(\.self).max() ?? limit
    }

    /// All clients at once, which have to get through at the first try.
    func expectAll(byteCount: Int, seed: UInt64) async {
        await withTaskGroup(of: Void.self) { tasks in
            for client in clients {
                tasks.addTask { [self] in
                    await fetch(
                        client, byteCount: byteCount, seed: seed &+ UInt64(client.number), mustSucceed: true)
                }
            }
        }
    }

    /// Kills an endpoint, and starts it again.
    func restart(_ endpoint: Endpoint) async throws {
        let former = processes.withLock { $0[endpoint.number] }
        former?.signal(SIGKILL)
        try await former?.end()
        noteElsewhere(former, endpoint)
        let process = try stage.serve(home: endpoint.home, endpoint.service, isHidden: endpoint.isHidden)
        processes.withLock { $0[endpoint.number] = process }
        _ = try await process.line()
    }

    // MARK: What came of it

    /// Records what was found.
    func note(_ finding: (inout History) -> Void) { history.withLock { finding(&$0) } }

    /// What is to hold after some seconds of quiet with all machines and servers running.
    func checkQuiet() async throws {
        checkAlive()
        for endpoint in endpoints {
            let ports =
                processes.withLock { $0[endpoint.number] }.map { SocketTable.remotePorts(of: $0.id) } ?? []
            let machines = stage.places.indices.filter { ports.contains(stage.places[$0].port) }
            note { $0.add("endpoint \(endpoint.number)", standsAt: machines) }
        }
        let open = endpoints.filter { !$0.isHidden }
        let truth = Set(open.map(\.id))
        for index in stage.places.indices {
            let report = try await stage.report(of: index)
            let list = try stage.list(of: index)
            let bytes = try (
                stage.metric("cway_portal_held_bytes", of: index) ?? .infinity,
                stage.metric("cway_portal_held_limit_bytes", of: index) ?? 0
            )
            note { history in
                history.add(policyIndex: report.policy?.index ?? 0, of: index)
                history.add(list: list, of: index, truth: truth)
                history.add("held bytes", of: index, held: bytes.0, limit: bytes.1)
                history.add("look-ups", of: index, held: Double(report.lookUpCount), limit: 4_096)
            }
        }
    }

    /// Nobody's process ends by itself, whatever becomes of machines.
    private func checkAlive() {
        for endpoint in endpoints {
            expectAlive(processes.withLock { $0[endpoint.number] }, "endpoint \(endpoint.number)")
        }
        for client in clients { expectAlive(client.process, "client \(client.number)") }
    }

    private func expectAlive(_ process: CwayProcess?, _ name: String) {
        guard let process, process.ending != nil else { return }
        note { $0.violate("a", "\(name) has ended: \(String(describing: process.ending)), \(process.log)") }
    }

    /// The findings so far, with those that stand in the endpoints' logs.
    func check() -> (violations: [History.Violation], transferCount: Int) {
        for endpoint in endpoints { noteElsewhere(processes.withLock { $0[endpoint.number] }, endpoint) }
        return history.withLock { ($0.violations, $0.transferCount) }
    }

    private func noteElsewhere(_ process: CwayProcess?, _ endpoint: Endpoint) {
        if process?.log.contains("announced itself elsewhere") ?? false {
            history.withLock { $0.addElsewhere("endpoint \(endpoint.number)") }
        }
    }
}

extension ClusterStage {
    /// Starts an endpoint that offers the service `bytes`, at all machines' addresses.
    func serve(home: String, _ service: PatternService, isHidden: Bool) throws -> CwayProcess {
        try cway(
            home: home,
            ["serve", "--service", "bytes=127.0.0.1:\(service.port)"]
                + (isHidden ? [] : ["--allow-anyone", "--portal", address()]))
    }
}

extension History {
    mutating func add(transfer outcome: PatternOutcome, _ name: String) {
        add(
            Transfer(
                name, sent: outcome.expectedByteCount, received: outcome.receivedByteCount,
                isPrefix: outcome.isPrefix, hasEndedClean: outcome.hasEndedClean))
    }
}
