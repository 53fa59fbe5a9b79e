internal import Foundation
internal import PeerSupport

/// What one turn of a transfer was like.
struct Measurement: Sendable {
    /// What arrived, in units of 10⁶ bytes per second.
    var megabytesPerSecond: Double
    /// CPU seconds per 10⁹ bytes, by role.
    var cpuPerGigabyte: [String: Double]
    /// Calls of read(2), write(2) and their kin per 10⁹ bytes, by role.
    var callsPerGigabyte: [String: Double]
    /// The most that was in memory, in bytes, by role.
    var peakByteCount: [String: Int]
    /// Whether as much arrived as was sent.
    var isComplete: Bool

    /// CPU seconds per 10⁹ bytes of all roles.
    var totalCPUPerGigabyte: Double { cpuPerGigabyte.values.reduce(0, +) }
}

extension Way {
    /// Transfers for a while, and measures between the first moments and the last.
    func measure(
        flowCount: Int, _ direction: Direction, warmUp: Duration = .milliseconds(150), turn: Duration
    ) throws -> Measurement {
        let transfer = try Transfer(along: self, flowCount: flowCount, direction)
        do {
            Thread.sleep(forTimeInterval: warmUp.inSeconds)
            let clock = ContinuousClock()
            let before = (time: clock.now, bytes: transfer.receivedByteCount, usage: usage())
            Thread.sleep(forTimeInterval: turn.inSeconds)
            let after = (time: clock.now, bytes: transfer.receivedByteCount, usage: usage())
            let isComplete = try transfer.finish()
            let byteCount = Double(after.bytes - before.bytes)
            func perGigabyte(_ amount: (ProcessTable.Usage) -> Double) -> [String: Double] {
                after.usage.merging(before.usage) { after, before in
                    var difference = after
                    difference.cpuSeconds -= before.cpuSeconds
                    difference.transferCallCount -= before.transferCallCount
                    return difference
                }.mapValues { amount($0) / byteCount * 1e9 }
            }
            return Measurement(
                megabytesPerSecond: byteCount / (after.time - before.time).inSeconds / 1e6,
                cpuPerGigabyte: perGigabyte(\.cpuSeconds),
                callsPerGigabyte: perGigabyte { Double($0.transferCallCount) },
                peakByteCount: after.usage.mapValues(\.peakByteCount), isComplete: isComplete)
        } catch {
            transfer.cut()
            throw error
        }
    }

    /// Whether bytes arrive unchanged, so many in each direction at once.
    func carriesIntact(byteCount: Int = 8 << 20) throws -> Bool {
        try Transfer(along: self, flowCount: 1, .both, limitByteCount: byteCount).finish()
    }
}
