internal import NIOCore

/// How long it takes from a grant to the first byte that it allowed: the path there and back, and whatever waits on it.
///
/// A burst behind a stall cannot make it look short, as it could a rate: the byte cannot come before the grant was
/// there. So the shortest time ever is the path's own, and where all are longer bytes queue somewhere.
struct RoundTripTime {
    /// Times below that mean nothing: it is how exactly a busy machine's processes take turns.
    private static let leastTime = TimeAmount.milliseconds(1)

    /// What a window has to carry each millisecond, in bytes.
    private static let usefulByteCount = 4 << 20

    private var now = NIODeadline.uptimeNanoseconds(0)
    private var receivedByteCount = 0
    /// The grant whose first byte is awaited, and how many bytes come before that.
    private var awaited: (since: NIODeadline, behind: Int)?
    /// Whether that byte is the first of a larger window, before which only the smaller one is under way.
    private var isGrowing = false
    /// Whether the window is not the first one any more.
    private var hasGrown = false
    private var shortest: TimeAmount?
    /// The shortest with the window as it is; `nil` while there is none.
    private var shortestInWindow: TimeAmount?
    /// What may be under way where the way is shared.
    private(set) var probe = PathProbe()

    /// Looks how long the path takes, while no grant allows more than little; what is awaited now is dropped.
    mutating func beginProbe() {
        probe.begin()
        awaited = nil
        isGrowing = false
    }

    /// Whether little waits on the path, as far as is known.
    ///
    /// Half as long again as the path itself: a window that takes no longer is not much more than the path holds. The
    /// shortest of its times counts, because one packet that is lost makes all others long.
    var isClear: Bool {
        guard let shortest, let shortestInWindow else { return !hasGrown }
        return shortestInWindow * 2 <= max(shortest, Self.leastTime) * 3
    }

    /// Whether a window of that many bytes may hold the sender back, as far as is known.
    ///
    /// One that carries 4 MiB each millisecond of the path there and back, 4 GB/s, is ten times what the ends of a tunnel
    /// were measured to do: more would only wait. A quarter of that cost one flow 6 % of its rate; what others wait for
    /// it on a shared way is held otherwise, by ``PathProbe``. The figures: docs/benchmarks.md.
    func mayNeedMore(than window: Int) -> Bool {
        guard let shortest else { return false }
        return Int64(window) * 1_000_000 < Int64(Self.usefulByteCount) * shortest.nanoseconds
    }

    mutating func received(_ byteCount: Int, at time: NIODeadline) {
        now = time
        receivedByteCount += byteCount
        guard let awaited, receivedByteCount > awaited.behind else { return }
        let time = now - awaited.since
        shortest = min(shortest ?? time, time)
        if !isGrowing { shortestInWindow = min(shortestInWindow ?? time, time) }
        probe.took(time)
        self.awaited = nil
        isGrowing = false
    }

    /// A grant was sent, as of the last arrival, when that many bytes were allowed before it.
    mutating func granted(behind outstanding: Int) {
        if awaited == nil { awaited = (now, receivedByteCount + outstanding) }
    }

    /// The window has grown with a grant: what was found out with the smaller one does not hold for it.
    mutating func grew(behind outstanding: Int) {
        shortestInWindow = nil
        awaited = (now, receivedByteCount + outstanding)
        isGrowing = true
        hasGrown = true
    }
}
