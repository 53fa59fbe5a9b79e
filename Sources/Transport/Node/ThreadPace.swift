internal import Glibc
internal import NIOCore
internal import Tunnel

/// Holds the thread of the event loop.
///
/// At most 64 proofs are turned down in half a second, each after 2 ms: a quarter of the loop's time, and only for a portal
/// that this node has chosen, or a friend.
struct ThreadPace: ProofPace {
    func now() -> NIODeadline { .now() }

    func hold(until deadline: NIODeadline) {
        // The clock of NIODeadline.
        var time = timespec()
        time.tv_sec = Int(deadline.uptimeNanoseconds / 1_000_000_000)
        time.tv_nsec = Int(deadline.uptimeNanoseconds % 1_000_000_000)
        while unsafe clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
    }
}
