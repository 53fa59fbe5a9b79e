internal import NIOCore

/// How much a socket is given at a time, and how much of that it may keep unsent.
///
/// What a socket has taken can be overtaken by nothing. While it takes all at once it is given twice as much the next time,
/// since a system call costs the same for more. Where it does not, it is given what its line carries in ``time``, by what it
/// took while it was never idle: enough that it is not idle before the next, and no more.
struct WritePace {
    /// How long a line may be busy with what stands in its socket.
    static let time = TimeAmount.milliseconds(2)
    /// The most that a socket is given at a time that takes all of it at once, in bytes.
    static let greatestByteCount = 256 << 10
    /// Between how much one is given that does not, and may keep unsent, in bytes: 6 ms of a line of 20 Mbit/s, and half a
    /// millisecond of one of 1 Gbit/s.
    static let pacedByteCounts = (16 << 10)...(64 << 10)

    /// After how many bytes no more is given at a time.
    private(set) var roundByteCount = greatestByteCount
    /// What the socket may keep unsent, in bytes.
    private(set) var unsentByteCount = pacedByteCounts.upperBound
    /// Since when it has been busy, and with how much.
    private var busy: (since: NIODeadline, byteCount: Int)?

    /// The socket was given so much, and has taken it at once or not.
    mutating func gave(_ byteCount: Int, isTaken: Bool, at now: NIODeadline) {
        if isTaken {
            busy = nil
            roundByteCount = min(2 * roundByteCount, Self.greatestByteCount)
        } else {
            busy = (busy?.since ?? now, (busy?.byteCount ?? 0) + byteCount)
        }
    }

    /// The socket has taken what it had not at once; whether ``unsentByteCount`` is another one.
    mutating func took(at now: NIODeadline) -> Bool {
        guard let (since, byteCount) = busy else { return false }
        let time = max(1, (now - since).nanoseconds)
        let useful = Double(byteCount) / Double(time) * Double(Self.time.nanoseconds)
        let sizes = Self.pacedByteCounts
        roundByteCount = Int(min(max(useful, Double(sizes.lowerBound)), Double(sizes.upperBound)))
        // What it was long ago says nothing of the line as it is.
        if time > 50 * Self.time.nanoseconds { busy = (now - Self.time, roundByteCount) }
        guard roundByteCount >= 2 * unsentByteCount || 2 * roundByteCount <= unsentByteCount else {
            return false
        }
        unsentByteCount = roundByteCount
        return true
    }
}
