public import NIOCore

/// How long to wait before a portal is dialled again: exponential, with full jitter.
///
/// Full jitter keeps the endpoints of a portal that was restarted from coming back in step; see "Exponential
/// Backoff And Jitter" (AWS Architecture Blog, 2015).
public struct Backoff: Sendable {
    /// The longest first wait.
    public static let first = TimeAmount.seconds(1)
    /// The longest wait in the first minutes, so that a restarted portal is reachable again soon.
    ///
    /// An endpoint has to come back first, then who dials it: twice this wait, and no more, may pass.
    public static let earlyCeiling = TimeAmount.seconds(5)
    /// The longest wait later.
    public static let lateCeiling = TimeAmount.seconds(60)
    /// How long the early ceiling holds, from the first failure on.
    public static let earlyPeriod = TimeAmount.minutes(5)

    private var failures = 0
    private var firstFailure: NIODeadline?

    /// No failure yet.
    public init() {}

    /// Notes a failure at `now`; returns how long to wait, for a `fraction` drawn evenly from 0..<1.
    public mutating func failed(at now: NIODeadline, fraction: Double) -> TimeAmount {
        let since = firstFailure ?? now
        firstFailure = since
        let ceiling = now - since < Self.earlyPeriod ? Self.earlyCeiling : Self.lateCeiling
        let exponential = Self.first.nanoseconds << min(failures, 16)
        failures += 1
        return .nanoseconds(Int64(Double(min(exponential, ceiling.nanoseconds)) * fraction))
    }

    /// A connection stood: the next failure is a first one again.
    public mutating func succeeded() { self = Backoff() }
}
