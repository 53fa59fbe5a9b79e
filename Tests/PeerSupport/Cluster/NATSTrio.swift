package import Foundation
internal import Glibc
internal import Synchronization

/// Three real `nats-server`s with JetStream that are one cluster, on free ports of the loopback interface.
package final class NATSTrio: Sendable {
    private struct Ports {
        let client, route, health: UInt16
    }

    private static let places = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]

    private let folder: URL
    private let program: String
    private let ports: [Ports]
    private let processes: Mutex<[Int: ChildProcess]>

    /// Servers that are not started yet; what they store stands below the folder.
    package init(below folder: URL, count: Int = 3) throws {
        let found = Self.places.map { "\($0)/nats-server" }.first(where: FileManager.default.isExecutableFile)
        guard let found else {
            throw CwayProcess.Failure(
                description: "nats-server is not installed: apt-get install nats-server")
        }
        program = found
        self.folder = folder
        let free = try LoopbackSocket.freePorts(3 * count)
        ports = (0..<count).map {
            Ports(client: free[$0], route: free[count + $0], health: free[2 * count + $0])
        }
        processes = Mutex([:])
    }

    deinit { processes.withLock { $0.values.forEach { $0.signal(SIGKILL) } } }

    /// How many there are.
    package var count: Int { ports.count }

    /// All of them, as `--cluster` takes it.
    package var addresses: String { ports.map { "nats://127.0.0.1:\($0.client)" }.joined(separator: ",") }

    /// Starts one, again where it was killed.
    package func start(_ index: Int) throws {
        let store = folder.appendingPathComponent("nats\(index)")
        try FileManager.default.createDirectory(at: store, withIntermediateDirectories: true)
        guard let nowhere = FileHandle(forUpdatingAtPath: "/dev/null") else {
            throw CwayProcess.Failure(description: "there is no /dev/null")
        }
        var arguments = [
            "-n", "n\(index)", "-js", "-sd", store.path, "-a", "127.0.0.1", "-p", "\(ports[index].client)",
            "-m", "\(ports[index].health)", "-l", store.appendingPathComponent("log").path,
        ]
        if count > 1 {
            arguments += [
                "--cluster_name", "cway", "--cluster", "nats://127.0.0.1:\(ports[index].route)", "--routes",
                ports.map { "nats://127.0.0.1:\($0.route)" }.joined(separator: ","),
            ]
        }
        let process = try ChildProcess(
            program, arguments, environment: [:], streams: [nowhere, nowhere, nowhere])
        processes.withLock { $0[index] = process }
    }

    /// Starts all, and waits until each says that it is well, its store included.
    package func startAll() async throws {
        for index in ports.indices { try start(index) }
        for index in ports.indices { try await isReady(index) }
    }

    /// Waits until one says that it is well.
    package func isReady(_ index: Int, within limit: Duration = .seconds(30)) async throws {
        let port = ports[index].health
        try await before(limit) {
            while true {
                if let answer = try? LoopbackSocket.answer(of: port, to: "/healthz"),
                    answer.contains(" 200 OK")
                {
                    return
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// Sends one a signal.
    package func signal(_ index: Int, _ number: Int32) {
        processes.withLock { $0[index] }?.signal(number)
    }

    /// Kills one; what it stored stays.
    package func kill(_ index: Int) {
        let process = processes.withLock { $0.removeValue(forKey: index) }
        process?.signal(SIGKILL)
        process?.waitUntilEnded()
    }

    /// Removes what one has stored, which does not run.
    package func wipe(_ index: Int) throws {
        try FileManager.default.removeItem(at: folder.appendingPathComponent("nats\(index)"))
    }

    /// What all of them use, with everything that they have started, by their numbers.
    package var processNumbers: [Int32] { processes.withLock { $0.values.map(\.id) } }
}
