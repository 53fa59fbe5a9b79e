internal import FoundationEssentials
internal import Node

/// What `cway portal cluster status --json` says, as far as the demo looks at it.
struct ClusterReport {
    private struct Status: Decodable {
        struct Machine: Decodable {
            let isCounted: Bool
            let isLinked: Bool
        }

        let machines: [Machine]
    }

    /// How many other machines count and have a link to the one that was asked.
    let linkedCount: Int

    init(json: String) throws(CommandFailure) {
        do {
            let status = try JSONDecoder().decode(Status.self, from: Data(json.utf8))
            linkedCount = status.machines.count { $0.isCounted && $0.isLinked }
        } catch {
            throw CommandFailure(
                .unexpected, "the status of the cluster is not as expected: \(json.prefix(200))")
        }
    }
}
