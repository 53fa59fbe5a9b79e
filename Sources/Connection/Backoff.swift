package import NIOCore

/// How long to wait before a portal is dialled again: exponential, with full jitter.
///
/// Full jitter keeps the endpoints of a portal that was restarted from coming back in step; see "Exponential
/// Backoff And Jitter" (AWS Architecture Blog, 2015).
package struct Backoff: Sendable {
    /// The longest first wait.
    package static let first = TimeAmount.seconds(1)
    /// An endpoint's longest wait in the first minutes, so that a restarted portal is reachable again soon.
    package static let endpointEarlyCeiling = TimeAmount.seconds(8)
    /// The same for who dials an endpoint, which has to come back first: a person waits for this one.
    package static let callerEarlyCeiling = TimeAmount.seconds(2)
    /// The longest wait later.
    package static let lateCeiling = TimeAmount.seconds(60)
    /// How long the early ceiling holds, from the first failure on.
    package static let earlyPeriod = TimeAmount.minutes(5)

    private let earlyCeiling: TimeAmount
    private var failures = 0
    private var firstFailure: NIODeadline?

    /// No failure yet.
    package init(earlyCeiling: TimeAmount = Self.endpointEarlyCeiling) { self.earlyCeiling = earlyCeiling }

    /// Notes a failure at `now`; returns how long to wait, for a `fraction` drawn evenly from 0..<1.
    package mutating func failed(at now: NIODeadline, fraction: Double) -> TimeAmount {
        let since = firstFailure ?? now
        firstFailure = since
        let ceiling = now - since < Self.earlyPeriod ? earlyCeiling : Self.lateCeiling
        let exponential = Self.first.nanoseconds << min(failures, 16)
        failures += 1
        return .nanoseconds(Int64(Double(min(exponential, ceiling.nanoseconds)) * fraction))
    }

    /// A connection stood: the next failure is a first one again.
    package mutating func succeeded() { self = Backoff(earlyCeiling: earlyCeiling) }
}
