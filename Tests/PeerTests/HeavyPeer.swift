import Foundation
import Testing

/// A program of another package that a test needs: a server, a browser, a service manager.
///
/// Where it is missing the test is skipped, and says so; with `CWAY_REQUIRE_PEERS=1`, as `.ci/run` has it, the test fails.
struct HeavyPeer: Sendable, CustomStringConvertible {
    /// It is not installed.
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    /// What it is called on the command line.
    let program: String
    /// What brings it, on Debian.
    let package: String

    static let systemd = HeavyPeer(program: "systemd-analyze", package: "systemd")
    static let socketActivation = HeavyPeer(program: "systemd-socket-activate", package: "systemd")
    static let nginx = HeavyPeer(program: "nginx", package: "nginx libnginx-mod-stream")
    static let haproxy = HeavyPeer(program: "haproxy", package: "haproxy")

    /// Whether a missing one is a failure.
    static var isRequired: Bool { ProcessInfo.processInfo.environment["CWAY_REQUIRE_PEERS"] == "1" }

    var description: String { "\(program) is missing: apt-get install \(package)" }

    /// Where it is; `nil` where it is not installed.
    var location: URL? {
        let variable = ProcessInfo.processInfo.environment["PATH"] ?? ""
        // Servers stand in folders that not everybody's PATH has.
        let folders =
            variable.split(separator: ":").map(String.init) + ["/usr/local/sbin", "/usr/sbin", "/sbin"]
        return folders.map { URL(fileURLWithPath: $0).appendingPathComponent(program) }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    /// Where it is.
    ///
    /// - Throws: ``Missing``.
    func required() throws -> URL {
        guard let location else { throw Missing(description: description) }
        return location
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test where one of the programs is missing and need not be there.
    static func needs(_ peers: HeavyPeer...) -> Self {
        let missing = peers.filter { $0.location == nil }.map(\.description)
        return .enabled(
            if: missing.isEmpty || HeavyPeer.isRequired, Comment(rawValue: missing.joined(separator: "; ")))
    }
}

/// Everything with heavy peers, one test at a time: they share the machine's cores.
@Suite("Heavy peers", .serialized, .timeLimit(.minutes(5)))
enum Heavy {}
