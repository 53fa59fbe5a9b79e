internal import ArgumentParser

/// A group of measurements that run and are reported together.
protocol Suite: Sendable {
    /// What is measured, for the line above the table.
    var summary: String { get }

    /// Measures, one row after another.
    func run(_ plan: Plan) async throws -> Findings
}

/// The suites there are; a further one needs a case here and a folder of its own.
enum SuiteName: String, CaseIterable, Sendable {
    case box, relay, tunnel, latency, handshake, idle, wan, scale, keyring, oracle, hostile, cluster

    /// Those that are run without being asked for; the others take long.
    static var usual: [SuiteName] { allCases.filter { ![.oracle, .hostile, .cluster].contains($0) } }

    /// The suite of that name.
    var suite: any Suite {
        switch self {
        case .box: BoxSuite()
        case .relay: RelaySuite()
        case .tunnel: TunnelSuite()
        case .latency: LatencySuite()
        case .handshake: HandshakeSuite()
        case .idle: IdleSuite()
        case .wan: WanSuite()
        case .scale: ScaleSuite()
        case .keyring: KeyringSuite()
        case .oracle: OracleSuite()
        case .hostile: HostileSuite()
        case .cluster: ClusterSuite()
        }
    }
}

/// Several suites, separated by commas.
struct SuiteList: ExpressibleByArgument, Sendable {
    /// In the order in which they were given, each once.
    let names: [SuiteName]

    init?(argument: String) {
        var names: [SuiteName] = []
        for word in argument.split(separator: ",") {
            guard let name = SuiteName(rawValue: String(word)) else { return nil }
            if !names.contains(name) { names.append(name) }
        }
        guard !names.isEmpty else { return nil }
        self.names = names
    }

    static var allValueStrings: [String] { SuiteName.allCases.map(\.rawValue) }
}

/// How long to measure, and against whom.
struct Plan: Sendable {
    /// How many turns each contender gets per row, where the user has said so.
    var chosenRounds: Int?
    /// The time of each contender for all turns of a row, where the user has said so.
    var chosenSeconds: Double?
    /// How many tries each class gets where times are compared, where the user has said so.
    var chosenTries: Int?
    /// Whether other programs are measured too.
    var withPeers: Bool
    /// Whether what needs ten thousand connections is wanted.
    var isLong: Bool
    /// What has to be in the name of an attack that is wanted.
    var attack: String?
    /// How large a cluster is simulated, if one is.
    var cluster: ClusterPlan
    /// The temporary folder, and the processes that are ended with this one.
    var stage: Stage

    /// How many turns, or what the suite does unless told otherwise.
    func rounds(or usual: Int) -> Int { chosenRounds ?? usual }

    /// How long one turn takes, not shorter than is worth starting.
    func turn(ofSeconds usual: Double, rounds: Int, atLeast shortest: Duration = .zero) -> Duration {
        max(shortest, .seconds((chosenSeconds ?? usual) / Double(rounds)))
    }
}
