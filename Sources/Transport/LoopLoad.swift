internal import NIOCore
package import NIOPosix
internal import Synchronization

/// How much of the last second an event loop has worked.
///
/// Two windows of a second: of the one before counts what is not older than a second, as if it were spread evenly.
struct LoopLoad: Sendable {
    private static let window = TimeAmount.seconds(1)

    private var began: NIODeadline
    private var worked = TimeAmount.zero
    private var workedBefore = TimeAmount.zero

    init(at now: NIODeadline) { began = now }

    /// Takes note of a round of work that has ended at that time.
    mutating func worked(_ time: TimeAmount, until end: NIODeadline) {
        advance(to: end)
        worked = worked + time
    }

    /// The share of the last second that was work, 0 to 1.
    mutating func share(at now: NIODeadline) -> Double {
        advance(to: now)
        let window = Double(Self.window.nanoseconds)
        let rest = 1 - Double((now - began).nanoseconds) / window
        return min(1, (Double(worked.nanoseconds) + rest * Double(workedBefore.nanoseconds)) / window)
    }

    private mutating func advance(to now: NIODeadline) {
        guard now - began >= Self.window else { return }
        workedBefore = now - began < Self.window + Self.window ? worked : .zero
        worked = .zero
        began = workedBefore == .zero ? now : began + Self.window
    }
}

/// How busy the event loops of this process are: what NIO tells after each of their rounds.
///
/// A loop that is not measured counts as idle.
package final class LoopLoads: NIOEventLoopMetricsDelegate {
    /// Those of the loops that the process was started with.
    package static let shared = LoopLoads()

    private let loads = Mutex<[ObjectIdentifier: LoopLoad]>([:])

    package func processedTick(info: NIOEventLoopTickInfo) {
        loads.withLock {
            $0[info.eventLoopID, default: LoopLoad(at: info.startTime)]
                .worked(info.endTime - info.startTime, until: info.endTime)
        }
    }

    /// The share of the last second that a loop has worked.
    func share(of loop: any EventLoop, at now: NIODeadline) -> Double {
        loads.withLock { $0[ObjectIdentifier(loop)]?.share(at: now) ?? 0 }
    }
}
