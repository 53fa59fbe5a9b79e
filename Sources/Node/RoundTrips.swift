internal import NIOCore
internal import Transport
internal import Tunnel

/// Our end of an echo that sends a few bytes, waits for them, and does so again.
///
/// Where each takes long there are fewer of them.
final class RoundTrips: StreamEnd {
    /// As much as a keystroke over ssh takes.
    private static let byteCount = 36
    /// How many are made before the clock counts: memory and caches get warm.
    private static let uncounted = 10
    /// For how long they are made, unless one takes longer.
    static let time = TimeAmount.seconds(3)

    private let handle: StreamHandle
    private let count: Int
    private let time: TimeAmount
    private let watch: EchoWatch
    private let result: EventLoopPromise<[Int64]>
    private let progress: (Double) -> Void

    private var start: NIODeadline?
    private var sentAt: NIODeadline?
    private var awaited = 0
    private var isOver = false
    private var times: [Int64] = []

    init(
        _ handle: StreamHandle, count: Int, for time: TimeAmount, watch: EchoWatch,
        result: EventLoopPromise<[Int64]>, progress: @escaping (Double) -> Void
    ) {
        self.handle = handle
        self.count = count + Self.uncounted
        self.time = time
        self.watch = watch
        self.result = result
        self.progress = progress
    }

    func resume() {
        guard sentAt == nil else { return }
        watch.start { [weak self] in self?.fail(.silent(.echo)) }
        send()
    }

    func receive(_ bytes: ByteBuffer) {
        watch.heard()
        handle.drained(bytes.readableBytes)
        guard !isOver, let sentAt else { return }
        guard bytes.readableBytes <= awaited else { return fail(.tooMuch) }
        guard bytes.readableBytesView.allSatisfy({ $0 == mark }) else { return fail(.otherBytes) }
        awaited -= bytes.readableBytes
        guard awaited == 0 else { return }
        let now = NIODeadline.now()
        times.append((now - sentAt).nanoseconds)
        progress(Double(times.count) / Double(count))
        if times.count < count, let start, now - start < time { return send() }
        handle.sendEnd()
    }

    func receiveEnd() { watch.heard() }

    func close(_ failure: StreamFailure?) {
        watch.stop()
        guard !isOver else { return }
        isOver = true
        if let failure {
            result.fail(SpeedTestError.ended(failure))
        } else if awaited > 0 || times.isEmpty {
            result.fail(SpeedTestError.ended(.truncated))
        } else {
            result.succeed(Array(times.dropFirst(min(Self.uncounted, times.count / 2))))
        }
    }

    /// What this round trip's bytes are, so that those of another are not taken for them.
    private var mark: UInt8 { UInt8(truncatingIfNeeded: times.count &+ 1) }

    private func send() {
        sentAt = .now()
        if start == nil { start = sentAt }
        awaited = Self.byteCount
        // Far below any window: it goes at once.
        _ = handle.send(ByteBuffer(repeating: mark, count: Self.byteCount))
    }

    private func fail(_ error: SpeedTestError) {
        guard !isOver else { return }
        isOver = true
        watch.stop()
        handle.fail("the speed test is over")
        result.fail(error)
    }
}

@available(*, unavailable)
extension RoundTrips: Sendable {}
