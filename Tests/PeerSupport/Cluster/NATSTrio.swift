package import Foundation

/// Three real `nats-server`s with JetStream that are one cluster, on free ports of the loopback interface.
package final class NATSTrio: Sendable {
    private let servers: [NATSServer]
    /// Where each says how it is.
    private let healthPorts: [UInt16]

    /// Servers that are not started yet; what they store stands below the folder.
    package init(below folder: URL, count: Int = 3) throws {
        let free = try LoopbackSocket.freePorts(3 * count)
        let (routes, health) = (free[count..<2 * count], free[(2 * count)...])
        let all = routes.map { "nats://127.0.0.1:\($0)" }.joined(separator: ",")
        healthPorts = Array(health)
        servers = try zip(zip(0..<count, routes), health).map { place, health in
            let cluster = [
                "--cluster_name", "cway", "--cluster", "nats://127.0.0.1:\(place.1)", "--routes", all,
            ]
            return try NATSServer(
                in: folder.appendingPathComponent("nats\(place.0)"), at: free[place.0],
                ["-n", "n\(place.0)", "-js", "-m", "\(health)"] + (count > 1 ? cluster : []))
        }
    }

    /// How many there are.
    package var count: Int { servers.count }

    /// All of them, as `--cluster` takes it.
    package var addresses: String { servers.map(\.address).joined(separator: ",") }

    /// Where one serves clients.
    package func port(of index: Int) -> UInt16 { servers[index].port }

    /// Starts one, again where it was killed.
    package func start(_ index: Int) throws { try servers[index].launch() }

    /// Starts all, and waits until each says that it is well, its store included.
    package func startAll() async throws {
        for index in servers.indices { try start(index) }
        for index in servers.indices { try await isReady(index) }
    }

    /// Waits until one says that it is well.
    package func isReady(_ index: Int, within limit: Duration = .seconds(30)) async throws {
        let port = healthPorts[index]
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
    package func signal(_ index: Int, _ number: Int32) { servers[index].signal(number) }

    /// Kills one; what it stored stays.
    package func kill(_ index: Int) { servers[index].kill() }

    /// Removes what one has stored, which does not run.
    package func wipe(_ index: Int) throws { try servers[index].wipe() }

    /// What all of them use, with everything that they have started, by their numbers.
    package var processNumbers: [Int32] { servers.compactMap(\.id) }
}
