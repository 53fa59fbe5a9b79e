internal import Glibc
package import NIOCore
internal import Synchronization

/// How busy event loops are: a task a second on each says how long it has waited, and what its thread has worked.
package final class LoopWatch: Sendable {
    /// What one loop has done in the last seconds.
    package struct Load: Equatable, Sendable {
        /// Its share of a core.
        package var share = 0.0
        /// How long a task waited at most, in seconds.
        package var longestDelay = 0.0
    }

    private struct Probe {
        let at: NIODeadline
        /// What its thread had worked, in seconds.
        let worked: Double
        let delay: Double
    }

    /// Ten seconds and their end.
    private static let probeLimit = 11

    private let loops: [any EventLoop]
    private let probes: Mutex<[[Probe]]>

    /// Watches those loops.
    package init(_ group: any EventLoopGroup) {
        loops = Array(group.makeIterator())
        probes = Mutex(Array(repeating: [], count: loops.count))
    }

    /// Asks each loop, which says so when it gets to it.
    package func probe() {
        for (index, loop) in loops.enumerated() {
            let asked = NIODeadline.now()
            loop.execute { [weak self] in
                let now = NIODeadline.now()
                let delay = Double((now - asked).nanoseconds) / 1e9
                self?.add(Probe(at: now, worked: Self.workedSeconds, delay: delay), of: index)
            }
        }
    }

    private func add(_ probe: Probe, of index: Int) {
        probes.withLock { probes in
            if probes[index].count == Self.probeLimit { probes[index].removeFirst() }
            probes[index].append(probe)
        }
    }

    /// What each has done in the last ten seconds, or since it is watched.
    package var loads: [Load] {
        probes.withLock { probes in
            probes.map { probes in
                guard let first = probes.first, let last = probes.last else { return Load() }
                let seconds = Double((last.at - first.at).nanoseconds) / 1e9
                return Load(
                    share: seconds > 0 ? min(1, max(0, last.worked - first.worked) / seconds) : 0,
                    longestDelay: probes.map(\.delay).max() ?? 0)
            }
        }
    }

    /// What this thread has worked.
    private static var workedSeconds: Double {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 else { return 0 }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
