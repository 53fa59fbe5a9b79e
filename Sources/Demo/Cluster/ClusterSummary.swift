internal import Node

/// What the demo of a cluster has measured, when all has held.
package struct ClusterSummary: DemoReport, Sendable {
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
    var steps: [DemoStep] = []
    package var totalSeconds = 0.0
    /// Where the folder is, if it was kept.
    package var folder: String?

    /// What was measured of the transfer.
    mutating func take(_ transfer: DemoSummary) {
        (bytes, seconds, sha256) = (transfer.bytes, transfer.seconds, transfer.sha256)
        (megabytesPerSecond, verified) = (transfer.megabytesPerSecond, transfer.verified)
    }

    package var rows: [DemoRow] {
        [
            DemoRow(
                "throughput", "\(megabytesPerSecond.text(decimals: 1)) MB/s",
                "\(bytes >> 20) MiB across two machines, SHA-256 equal"),
            DemoRow("machine killed", "\(machineSeconds.text(decimals: 2)) s", "until the page came again"),
            DemoRow("server killed", "\(serverSeconds.text(decimals: 2)) s", "for a page and a fresh call"),
        ]
    }
}
