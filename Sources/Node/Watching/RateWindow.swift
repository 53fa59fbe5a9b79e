package import NIOCore

/// How fast some counts have grown lately, from a sample a second.
package struct RateWindow: Sendable {
    /// What is counted, since it began.
    package struct Sample: Equatable, Sendable {
        /// When.
        package var at: NIODeadline
        /// Bytes that were relayed.
        package var byteCount = 0
        /// Tunnels that were begun.
        package var tunnelCount = 0
        /// Connections that were accepted.
        package var connectionCount = 0

        /// Nothing yet.
        package init(at now: NIODeadline) { at = now }
    }

    /// How much of each in a second.
    package struct Rates: Equatable, Sendable {
        package var bytes = 0.0
        package var tunnels = 0.0
        package var connections = 0.0

        package init() {}
    }

    /// A minute and its end.
    private static let sampleLimit = 61

    private var samples: CircularBuffer<Sample> = []

    package init() {}

    /// Takes a sample, which is no earlier than those before.
    package mutating func add(_ sample: Sample) {
        if samples.count == Self.sampleLimit { samples.removeFirst() }
        samples.append(sample)
    }

    /// The means from the last sample at least so long ago, or the first there is, to the newest.
    package func rates(over time: TimeAmount) -> Rates {
        guard let newest = samples.last else { return Rates() }
        let earliest = newest.at - time
        // A sample may come some milliseconds late.
        let slack = TimeAmount.milliseconds(500)
        let start = samples.first { $0.at + slack >= earliest } ?? newest
        let seconds = Double((newest.at - start.at).nanoseconds) / 1e9
        guard seconds > 0 else { return Rates() }
        var rates = Rates()
        rates.bytes = Double(newest.byteCount - start.byteCount) / seconds
        rates.tunnels = Double(newest.tunnelCount - start.tunnelCount) / seconds
        rates.connections = Double(newest.connectionCount - start.connectionCount) / seconds
        return rates
    }
}
