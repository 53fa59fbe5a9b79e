internal import FoundationEssentials
internal import Node

/// What the demo of a cluster has measured, when all has held.
package struct ClusterSummary: Encodable, Sendable {
    struct Step: Encodable {
        let title: String
        let seconds: Double
    }

    /// What went from one machine to another.
    var bytes = 0
    var seconds = 0.0
    var megabytesPerSecond = 0.0
    var sha256 = ""
    var verified = false
    /// From the end of the owner's machine until its page came again.
    var machineSeconds = 0.0
    /// The same with a fresh call, from the end of a NATS server.
    var serverSeconds = 0.0
    /// Whether all machines knew each other again at the end.
    var isWhole = false
    var steps: [Step] = []
    package var totalSeconds = 0.0
    /// Where the folder is, if it was kept.
    package var folder: String?

    /// What was measured of the transfer.
    mutating func take(_ transfer: DemoSummary) {
        (bytes, seconds, sha256) = (transfer.bytes, transfer.seconds, transfer.sha256)
        (megabytesPerSecond, verified) = (transfer.megabytesPerSecond, transfer.verified)
    }

    /// For scripts.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// For people.
    package var table: String {
        let rows = [
            (
                "throughput", "\(megabytesPerSecond.text(decimals: 1)) MB/s",
                "\(bytes >> 20) MiB across two machines, SHA-256 equal"
            ),
            ("machine killed", "\(machineSeconds.text(decimals: 2)) s", "until the page came again"),
            ("server killed", "\(serverSeconds.text(decimals: 2)) s", "for a page and a fresh call"),
            (
                "all of it", "\(totalSeconds.text(decimals: 1)) s",
                folder == nil ? "and nothing left behind" : "and the folder kept"
            ),
        ]
        return rows.map { name, value, remark in
            let gap = String(repeating: " ", count: max(0, 12 - value.count))
            return "   " + name.padded(to: 16) + gap + value + "   " + remark
        }.joined(separator: "\n")
    }
}
