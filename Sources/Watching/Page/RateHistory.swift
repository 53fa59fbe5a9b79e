package import NIOCore

/// What is plotted of a portal, since it began or at a moment.
package struct RateSample: Equatable, Sendable {
    /// What was relayed since it began, in bytes.
    package var relayedByteCount = 0
    /// Tunnels that were begun since.
    package var tunnelCount = 0
    /// What was refused since.
    package var refusalCount = 0
    /// Connections of this moment.
    package var connectionCount = 0

    /// Nothing.
    package init() {}
}

/// The last hour in samples.
package struct RateHistory: Equatable, Sendable {
    /// How often a sample is taken.
    package static let interval = TimeAmount.seconds(15)
    /// An hour of them, and the one in front of it.
    package static let limit = 241

    private var samples: CircularBuffer<RateSample> = CircularBuffer(initialCapacity: RateHistory.limit + 1)

    /// Without a sample yet.
    package init() {}

    /// Takes the next sample.
    package mutating func add(_ sample: RateSample) {
        samples.append(sample)
        if samples.count > Self.limit { samples.removeFirst() }
    }

    /// Connections, sample by sample.
    package var connections: [Double] { samples.map { Double($0.connectionCount) } }

    /// Bytes a second between each two samples.
    package var bytesPerSecond: [Double] { rates(by: 1) { $0.relayedByteCount } }

    /// Tunnels a minute between each two samples.
    package var tunnelsPerMinute: [Double] { rates(by: 60) { $0.tunnelCount } }

    /// Refusals a minute between each two samples.
    package var refusalsPerMinute: [Double] { rates(by: 60) { $0.refusalCount } }

    private func rates(by seconds: Double, _ count: (RateSample) -> Int) -> [Double] {
        let intervalSeconds = Double(Self.interval.nanoseconds) / 1e9
        return zip(samples, samples.dropFirst()).map { former, next in
            Double(max(0, count(next) - count(former))) / intervalSeconds * seconds
        }
    }
}
