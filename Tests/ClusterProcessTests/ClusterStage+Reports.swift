import Foundation
import PeerSupport
import Testing
import TypedSodium
import Watching

extension ClusterStage {
    /// What a machine says of all of them as soon as it says something.
    func report(of index: Int) async throws -> ClusterReport {
        try await before(.eventDeadline) { [self] in
            while true {
                let status = try cway(
                    home: "machine\(index)", ["portal", "cluster", "status", "--json"])
                try await status.end()
                let reports = try? JSONDecoder().decode(
                    [ClusterReport].self, from: Data(status.outputText.utf8))
                if let report = reports?.first { return report }
                try Task.checkCancellation()
            }
        }
    }

    /// What a machine says of all of them once it is as wanted: `cway status --watch` says it again and again.
    @discardableResult
    func report(
        of index: Int, where isWanted: @escaping @Sendable (ClusterReport) -> Bool
    ) async throws -> ClusterReport {
        let status = try cway(home: "machine\(index)", ["status", "--watch", "--json"])
        defer { status.discard() }
        let line = try await status.line { line in
            (try? WatchedStatus(line))?.cluster.map(isWanted) ?? false
        }
        return try #require(try WatchedStatus(line).cluster)
    }

    /// Waits until every machine talks over another NATS server than this one.
    func isLeft(_ server: Int) async throws {
        let address = "127.0.0.1:\(engine.port(of: server))"
        for index in places.indices {
            try await report(of: index) {
                $0.engine.isConnected && $0.engine.server?.contains(address) == false
            }
        }
    }

    /// Who is announced openly, as a machine says to somebody who asks.
    func list(of index: Int) throws -> Set<String> {
        let end = try RawEnd(.random(), to: id, at: places[index].port)
        return try end.endpoints().subtracting([end.id])
    }

    /// Waits until every machine names somebody among those who are announced openly.
    func areListed(_ ids: Set<String>, isListed: Bool = true) async throws {
        for place in places {
            try await onThread { [id] in
                let end = try RawEnd(.random(), to: id, at: place.port)
                _ = try end.endpoints { $0.isSuperset(of: ids) == isListed }
            }
        }
    }

    /// An invite of the portal for so many, as each machine would say it: by its own port.
    func invite(uses: Int, label: String) async throws -> [String] {
        let places = places
        let code =
            try await output(
                home: "machine0",
                [
                    "portal", "invite", "--label", label, "--uses", "\(uses)", "--public-host",
                    "127.0.0.1:\(places[0].port)",
                ]
            ).split(separator: "\n").first.map(String.init) ?? ""
        return places.map { code.replacing(":\(places[0].port):", with: ":\($0.port):") }
    }

    /// The ids of the portal's members, as a machine's keyring has them.
    func memberIDs(of index: Int) async throws -> Set<String> {
        let text = try await output(home: "machine\(index)", ["portal", "members", "--json"])
        let list = try JSONDecoder().decode([StoredMember].self, from: Data(text.utf8))
        return Set(list.map(\.id))
    }
}

/// A line of `cway status --watch --json` in the home of a machine.
private struct WatchedStatus: Decodable {
    struct Process: Decodable {
        let cluster: ClusterReport?
    }

    let processes: [Process]

    init(_ line: String) throws { self = try JSONDecoder().decode(Self.self, from: Data(line.utf8)) }

    var cluster: ClusterReport? { processes.compactMap(\.cluster).first }
}

/// A member as `cway portal members --json` has it.
private struct StoredMember: Decodable {
    let id: String
}
