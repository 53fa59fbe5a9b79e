internal import Account
internal import NIOCore
internal import Synchronization

/// What has passed through one payer's tunnels in this month, and when more may: used by all of them, on all event loops.
///
/// Counting costs an atomic addition for each batch, and a short lock where there is a rate.
package final class TrafficMeter: Sendable {
    /// How much may pass at once after a pause, in seconds of the rate; at least one batch.
    private static let burstSeconds = 0.1

    let payer: TrafficPayer
    private let passed: Atomic<Int>
    private let limit = Atomic(Int.max)
    private let isPaced = Atomic(false)
    private let pace = Mutex<Rate?>(nil)

    init(of payer: TrafficPayer, byteCount: Int = 0) {
        self.payer = payer
        passed = Atomic(byteCount)
    }

    /// What has passed in this month, in bytes.
    var byteCount: Int { passed.load(ordering: .relaxed) }

    /// Whether nothing more may pass in this month.
    var isUsedUp: Bool { byteCount >= limit.load(ordering: .relaxed) }

    /// Whether there is any limit.
    var isLimited: Bool { isPaced.load(ordering: .relaxed) || limit.load(ordering: .relaxed) < .max }

    /// Bytes are passed on.
    func count(_ byteCount: Int, at now: NIODeadline) {
        passed.add(byteCount, ordering: .relaxed)
        guard isPaced.load(ordering: .relaxed) else { return }
        pace.withLock { $0?.spend(Double(byteCount), at: now) }
    }

    /// When the next bytes may pass; `nil` for now.
    func pause(at now: NIODeadline) -> NIODeadline? {
        guard isPaced.load(ordering: .relaxed), let ready = pace.withLock({ $0?.ready() }), ready > now else {
            return nil
        }
        return ready
    }

    /// Other limits count from now on; what has passed stays counted.
    func follow(_ limits: TrafficLimits, at now: NIODeadline) {
        limit.store(limits.bytesPerMonth ?? .max, ordering: .relaxed)
        pace.withLock { pace in
            pace = limits.bytesPerSecond.map { rate in
                let burst = max(Double(rate) * Self.burstSeconds, Double(PortalLegs.batchByteCount))
                return Rate(perSecond: Double(rate), burst: burst, at: now)
            }
        }
        isPaced.store(limits.bytesPerSecond != nil, ordering: .relaxed)
    }

    /// Another month begins.
    func beginMonth() { passed.store(0, ordering: .relaxed) }
}

/// Those for whom what passes through one tunnel is counted: one or two.
package struct TrafficMeters: Sendable {
    private let first: TrafficMeter?
    private let second: TrafficMeter?

    /// For nobody.
    package init() { (first, second) = (nil, nil) }

    init(_ meters: [TrafficMeter]) {
        first = meters.first
        second = meters.dropFirst().first
    }

    /// Bytes are passed on; whether somebody's volume is used up by them.
    func count(_ byteCount: Int, at now: NIODeadline) -> Bool {
        first?.count(byteCount, at: now)
        second?.count(byteCount, at: now)
        return isUsedUp
    }

    /// Whether nothing more may pass in this month.
    var isUsedUp: Bool { first?.isUsedUp == true || second?.isUsedUp == true }

    /// When the next bytes may pass; `nil` for now.
    func pause(at now: NIODeadline) -> NIODeadline? {
        guard let first else { return nil }
        guard let second else { return first.pause(at: now) }
        return [first.pause(at: now), second.pause(at: now)].compactMap(\.self).max()
    }
}
