/// One portal on many machines: simulated, under faults, or as processes with a real NATS.
struct ClusterSuite: Suite {
    let summary = """
        cluster: messages and bytes a second are those of all machines together; times of a simulation are those of its \
        network, 0.1 to 0.4 ms a message; tables are what a machine's directory and claims take of the heap
        """

    func run(_ plan: Plan) async throws -> Findings {
        if let minutes = plan.cluster.minutes {
            return try await StormSeries(minutes: minutes, firstSeed: plan.cluster.seed).run()
        }
        if plan.cluster.isSimulated { return try SimulatedCluster(size: plan.cluster).run() }
        return try await ClusterProcesses(plan: plan).run()
    }
}

/// How large a simulated cluster is.
struct ClusterPlan: Sendable {
    /// Whether one is simulated at all.
    var isSimulated: Bool
    /// How long faults strike simulated clusters, in minutes, where they are to.
    var minutes: Double?
    /// What the faults are drawn from.
    var seed: UInt64
    /// How many machines it has.
    var machineCount: Int
    /// How many endpoints, each with 48 tokens where it is hidden.
    var endpointCount: Int
}
