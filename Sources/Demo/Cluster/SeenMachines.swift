internal import FoundationEssentials
internal import Node

/// What `cway portal cluster status --json` says of the other machines, as far as the demo looks at it.
struct SeenMachines {
    private struct Report: Decodable {
        struct Machine: Decodable {
            let standing: String
            let isLinked: Bool
        }

        let machines: [Machine]
    }

    /// How many live and have a link to the one that was asked.
    let linkedCount: Int

    init(json: String) throws(CommandFailure) {
        do {
            let reports = try JSONDecoder().decode([Report].self, from: Data(json.utf8))
            linkedCount = reports.flatMap(\.machines).count { $0.standing == "live" && $0.isLinked }
        } catch {
            throw CommandFailure(
                .unexpected, "the status of the cluster is not as expected: \(json.prefix(200))")
        }
    }
}
