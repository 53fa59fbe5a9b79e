internal import NIOCore

/// How much a stream may have under way where its way is shared, by its rate and the shortest round trip.
///
/// A stream that fills every buffer on its path finds out nothing about the path. So a few round trips are timed with little
/// under way, as BBR does; what the path holds, half as much again, is allowed for the next hundred. That makes a
/// round trip half as long again as the shortest. Less would leave the path idle where a packet is late; more only waits
/// in front of somebody. A millisecond is left out: so long may processes wait for their turn on a busy machine,
/// where no time is the path's alone.
struct PathProbe {
    /// The least, in bytes: below it the processes along the way wait for each other.
    static let leastByteCount = 64 << 10
    /// How many round trips are timed, the first two in vain: in front of those stands what was under way before.
    static let probeCount = 5
    private static let behindOthersCount = 2
    /// How many pass until it is looked again.
    static let restCount = 100

    private var takenCount = 0
    private var shortest: TimeAmount?

    /// Begins to look.
    mutating func begin() { self = PathProbe() }

    /// A round trip took so long.
    mutating func took(_ time: TimeAmount) {
        if takenCount == Self.probeCount + Self.restCount { begin() }
        if Self.behindOthersCount..<Self.probeCount ~= takenCount { shortest = min(shortest ?? time, time) }
        takenCount += 1
    }

    /// What may be under way of a stream that carries so much a second.
    func byteCount(at bytesPerSecond: Double) -> Int {
        guard takenCount >= Self.probeCount, let shortest else { return Self.leastByteCount }
        let seconds = Double(max(0, shortest.nanoseconds - 1_000_000)) / 1e9
        return max(Self.leastByteCount, Int(min(1.5 * bytesPerSecond * seconds, 1e9).rounded()))
    }
}
