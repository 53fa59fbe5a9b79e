internal import ArgumentParser
internal import MuxRPC
internal import Node
internal import Watching

/// `cway portal cluster`: the machines of a portal.
struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Look at the machines of a portal that is on several, and begin their log of policy.",
        discussion: """
            A portal is on several machines where each of them runs 'cway portal run --cluster' with the same identity; \
            docs/cluster.md has an example.
            """,
        subcommands: [ClusterStatusCommand.self, ClusterImportCommand.self, ClusterAdoptCommand.self])
}

/// `cway portal cluster status`: the machines, as the one that runs from this home sees them.
struct ClusterStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the machines of a portal: load, round trips, clocks, NATS, links.",
        discussion: """
            It asks the portal that runs from this home, as 'cway status' does. A machine is new until it has answered, \
            then live, or suspect where nothing was heard of it for 3 seconds. JSON is an array with an object for each \
            portal that runs from this home.

            EXAMPLES
              cway portal cluster status
              cway portal cluster status --json | jq '.[].machines[].standing'

            Ends with 24 where this machine does not serve, has neither NATS nor links, or has a frozen policy.
            """)

    @OptionGroup private var common: CommonOptions
    @Flag(name: .long, help: "Print JSON.") private var json = false

    func run() async throws {
        let home = try common.preparedHome().path
        let reports: [ClusterReport]
        do throws(StatusFailure) {
            reports = try await StatusClient.clusters(ofHome: home)
        } catch {
            throw CommandFailure(.unexpected, error)
        }
        guard !reports.isEmpty else {
            throw CommandFailure(
                .notFound,
                "no portal of a cluster runs from this home: start one with `cway portal run --cluster`")
        }
        let environment = CommandEnvironment.current
        if json {
            try environment.print(json: try ClusterText.json(of: reports))
        } else {
            try environment.print(reports.map { ClusterText.text(of: $0) }.joined(separator: "\n\n"))
        }
        let troubles = reports.flatMap(ClusterText.troubles)
        guard troubles.isEmpty else { throw CommandFailure(.unhealthy, troubles.joined(separator: "; ")) }
    }
}

extension StatusClient {
    /// What the machines of a cluster say that run from a home.
    static func clusters(ofHome path: String) async throws(StatusFailure) -> [ClusterReport] {
        try await StatusClient(home: path).ask().compactMap { answer in
            guard case .report(let report) = answer else { return nil }
            return report.cluster
        }
    }
}
