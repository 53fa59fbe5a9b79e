package import NIOCore

/// How late the event loops of a process are: a timer of each says when it was to come and when it came.
///
/// What is counted stands on its loop, in plain integers, until somebody looks.
package final class LoopDelays: Sendable {
    /// How often each loop is measured; four timers a second are next to nothing, and a scrape sees sixty or more.
    private static let interval = TimeAmount.milliseconds(250)
    /// The upper bounds, in microseconds: from a timer's usual lateness to what everybody notices.
    private static let bounds = [1_000, 2_500, 5_000, 10_000, 20_000, 50_000, 100_000, 250_000, 1_000_000]

    private struct Counts {
        var buckets = [Int](repeating: 0, count: LoopDelays.bounds.count + 1)
        var microseconds = 0

        mutating func add(_ microseconds: Int) {
            let bucket = LoopDelays.bounds.firstIndex { microseconds <= $0 } ?? LoopDelays.bounds.count
            buckets[bucket] += 1
            self.microseconds &+= microseconds
        }
    }

    /// The timer of one loop, which it alone uses.
    private final class Timer {
        let loop: any EventLoop
        var counts = Counts()
        var scheduled: Scheduled<Void>?
        var isOver = false

        init(on loop: any EventLoop) { self.loop = loop }

        func schedule(at due: NIODeadline) {
            guard !isOver else { return }
            scheduled = loop.assumeIsolated().scheduleTask(deadline: due) { [self] in
                let now = NIODeadline.now()
                counts.add(Int((now - due).nanoseconds / 1_000))
                schedule(at: now + LoopDelays.interval)
            }
        }
    }

    private let timers: [NIOLoopBound<Timer>]

    /// Measures every loop of a group from now on, until ``stop()``.
    package init(of group: any EventLoopGroup) async throws {
        var timers: [NIOLoopBound<Timer>] = []
        for loop in group.makeIterator() {
            timers.append(
                try await loop.submit {
                    let timer = Timer(on: loop)
                    timer.schedule(at: .now() + Self.interval)
                    return NIOLoopBound(timer, eventLoop: loop)
                }.get())
        }
        self.timers = timers
    }

    /// How many loops there are.
    package var loopCount: Int { timers.count }

    /// All that was measured, of all loops together.
    package func buckets() async -> MetricFamily.Buckets {
        var sum = Counts()
        for timer in timers {
            // A loop that takes no more has said all.
            guard let counts = try? await timer.eventLoop.submit({ timer.value.counts }).get() else {
                continue
            }
            for (place, count) in counts.buckets.enumerated() { sum.buckets[place] += count }
            sum.microseconds &+= counts.microseconds
        }
        return MetricFamily.Buckets(
            bounds: Self.bounds.map { Double($0) / 1e6 }, counts: sum.buckets,
            sum: Double(sum.microseconds) / 1e6)
    }

    /// Measures no more.
    package func stop() {
        for timer in timers {
            timer.eventLoop.execute {
                timer.value.isOver = true
                timer.value.scheduled?.cancel()
            }
        }
    }
}
