internal import Node

/// What the demo has measured, when all has held.
package struct DemoSummary: DemoReport {
    struct RoundTrip: Encodable {
        let p50: Double
        let p99: Double

        /// Of as many measured times.
        init(_ times: [Duration]) {
            let sorted = times.sorted()
            func microseconds(_ share: Double) -> Double {
                guard let last = sorted.indices.last else { return 0 }
                let index = Int((Double(sorted.count) * share).rounded(.up)) - 1
                return (sorted[min(max(index, 0), last)] / .microseconds(1) * 10).rounded() / 10
            }
            p50 = microseconds(0.5)
            p99 = microseconds(0.99)
        }

        /// For people.
        var words: String { "\(Int(p50)) µs in the middle, \(Int(p99)) µs at the 99th percentile" }
    }

    struct Seen: Encodable {
        /// How many packets, and how many bytes in them, the portal passed on for the web page.
        let frames: Int
        let bytes: Int
        /// Words of the request and the page that could be read in them: none, or the demo would have failed.
        let readable: [String]
    }

    var bytes = 0
    var seconds = 0.0
    var megabytesPerSecond = 0.0
    var roundTripMicroseconds = RoundTrip([])
    /// The same beside a friend who asks for everything and reads nothing.
    var besideFloodMicroseconds = RoundTrip([])
    var sha256 = ""
    var verified = false
    var portalSaw = Seen(frames: 0, bytes: 0, readable: [])
    /// Whether the published address led the friend to its owner.
    var friendResolved = false
    /// Whether it told the stranger nothing, who has the list of all portals.
    var strangerResolvedNothing = false
    /// Whether the stranger was turned away though it knew portal and owner.
    var strangerRefused = false
    /// Whether the removed friend's fresh key was turned away with an invite that had uses left.
    var freshKeyRefused = false
    /// From the command that removes the friend to the end of its last connection.
    var removalSeconds = 0.0
    var steps: [DemoStep] = []
    package var totalSeconds = 0.0
    /// Where the folder is, if it was kept.
    package var folder: String?

    package var rows: [DemoRow] {
        [
            DemoRow(
                "throughput", "\(megabytesPerSecond.text(decimals: 1)) MB/s",
                "\(bytes >> 20) MiB, SHA-256 equal"),
            DemoRow(
                "round trip", "\(roundTripMicroseconds.p50.text(decimals: 0)) µs", "median of small requests"),
            DemoRow("", "\(roundTripMicroseconds.p99.text(decimals: 0)) µs", "99th percentile"),
            DemoRow(
                "beside a flood", "\(besideFloodMicroseconds.p50.text(decimals: 0)) µs", "the same, median"),
            DemoRow("", "\(besideFloodMicroseconds.p99.text(decimals: 0)) µs", "99th percentile"),
            DemoRow("portal saw", "\(portalSaw.bytes) bytes", "of the page, not a word of it readable"),
            DemoRow("stranger", "refused", "the address told it nothing, and the portal neither"),
            DemoRow(
                "friend out", "\(removalSeconds.text(decimals: 2)) s",
                "from the command to the end of its last connection"),
            DemoRow("its fresh key", "refused", "with an invite that had uses left"),
        ]
    }
}
