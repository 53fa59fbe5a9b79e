internal import PeerSupport

/// A way from a local port to a service of the benchmark's own, along one or more processes.
final class Way: Sendable {
    /// A group of processes with one job.
    struct Role: Sendable {
        /// `client`, `portal` or `endpoint`; a bare relay is a portal.
        var name: String
        /// What was started for it; what those start themselves belongs to it.
        var children: [Child] = []
        /// The numbers of processes that somebody else ends.
        var others: [Int32] = []
    }

    /// What it is called in tables.
    let name: String
    /// The port that a user connects to.
    let entry: UInt16
    /// A port for the same service through another client, whose tunnel is another one.
    let secondEntry: UInt16
    /// Where connections come out.
    let service: LoopbackSocket
    /// Who carries them.
    let roles: [Role]

    init(name: String, entry: UInt16, secondEntry: UInt16? = nil, service: LoopbackSocket, roles: [Role]) {
        self.name = name
        self.entry = entry
        self.secondEntry = secondEntry ?? entry
        self.service = service
        self.roles = roles
    }

    /// What its processes have used so far.
    func usage() -> [String: ProcessTable.Usage] {
        let table = ProcessTable()
        return Dictionary(
            roles.map { ($0.name, table.usage(of: $0.children.map(\.id) + $0.others)) },
            uniquingKeysWith: { $1 })
    }

    /// The same way, as it is used by those who come through the second client.
    var throughSecondClient: Way {
        Way(name: name, entry: secondEntry, service: service, roles: roles)
    }

    /// Ends its processes.
    func end(on stage: Stage) { stage.end(roles.flatMap(\.children)) }
}

/// The ways that a suite compares, and which could not be had.
struct Ways {
    /// Ours first.
    var all: [Way] = []
    /// One sentence for each that is missing.
    var missing: [String] = []

    /// Adds a way, or says why there is none.
    mutating func add(_ name: String, _ make: () async throws -> Way) async {
        do {
            all.append(try await make())
        } catch {
            missing.append("\(name) is not measured: \(error)")
        }
    }

    /// Ends all processes.
    func end(on stage: Stage) {
        for way in all { way.end(on: stage) }
    }

    /// Says which ways were not asked for.
    static let withoutPeers = "OpenSSH and stunnel are not measured: add --peers"
}

extension Way {
    /// No program in between.
    static func direct() throws -> Way {
        let service = try LoopbackSocket.listening()
        return Way(name: "direct TCP", entry: try service.port, service: service, roles: [])
    }
}
