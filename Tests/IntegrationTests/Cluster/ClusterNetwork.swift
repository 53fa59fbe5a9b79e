import Foundation
import PeerSupport
import Testing
import Watching

/// The machines of one portal as processes, with one identity, at one NATS server.
struct ClusterNetwork {
    let stage: Stage
    let server: NATSServer
    let machines: [TestNetwork.Portal]

    /// The home of a machine.
    static func home(_ number: Int) -> String { "machine-\(number)" }

    /// Starts NATS and the machines, and waits until each serves and has links to all others.
    static func start(on stage: Stage, count: Int, _ flags: [String] = []) async throws -> ClusterNetwork {
        let server = try await NATSServer(["-js"])
        _ = try await stage.id(home: home(0))
        for number in 1..<count {
            try FileManager.default.copyItem(atPath: stage.path(home(0)), toPath: stage.path(home(number)))
        }
        var machines: [TestNetwork.Portal] = []
        for number in 0..<count {
            machines.append(try await start(home(number), on: stage, at: server, flags))
        }
        let network = ClusterNetwork(stage: stage, server: server, machines: machines)
        for number in 0..<count {
            try await network.report(of: number) { report in
                report.isServing
                    && report.machines.count { $0.isLinked && $0.standing == "live" } == count - 1
            }
        }
        return network
    }

    /// Starts a machine, and awaits its address.
    static func start(
        _ home: String, on stage: Stage, at server: NATSServer, _ flags: [String] = []
    ) async throws -> TestNetwork.Portal {
        try await TestNetwork.Portal.start(
            on: stage, home: home,
            [
                "--cluster", server.address, "--cluster-listen",
                "127.0.0.1:\(try LoopbackSocket.freePort())", "--drain", "5",
            ] + flags)
    }

    /// What a machine says of all of them, once it is as wanted.
    @discardableResult
    func report(
        of number: Int, where isWanted: @escaping @Sendable (ClusterReport) -> Bool
    ) async throws -> ClusterReport {
        try await before(.eventDeadline) { [stage] in
            while true {
                let status = try stage.cway(
                    home: Self.home(number), ["portal", "cluster", "status", "--json"])
                try await status.end()
                let reports = try? JSONDecoder().decode(
                    [ClusterReport].self, from: Data(status.outputText.utf8))
                if let report = reports?.first, isWanted(report) { return report }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }
}
