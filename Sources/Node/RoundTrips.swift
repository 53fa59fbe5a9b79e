internal import NIOCore
internal import Transport
internal import Tunnel

/// Our end of an echo that sends a few bytes, waits for them, and does so again.
final class RoundTrips: StreamEnd {
    /// As much as a keystroke over ssh takes.
    private static let byteCount = 36
    /// How many are made before the clock counts: memory and caches get warm.
    private static let uncounted = 10

    private let handle: StreamHandle
    private let count: Int
    private let result: EventLoopPromise<[Int64]>
    private let bytes = ByteBuffer(repeating: 0x55, count: RoundTrips.byteCount)

    private var sentAt: NIODeadline?
    private var awaited = 0
    private var isOver = false
    private var times: [Int64] = []

    init(_ handle: StreamHandle, count: Int, result: EventLoopPromise<[Int64]>) {
        self.handle = handle
        self.count = count + Self.uncounted
        self.result = result
    }

    func resume() {
        guard sentAt == nil else { return }
        send()
    }

    func receive(_ bytes: ByteBuffer) {
        handle.drained(bytes.readableBytes)
        awaited -= bytes.readableBytes
        guard awaited <= 0, !isOver, let sentAt else { return }
        times.append((.now() - sentAt).nanoseconds)
        if times.count < count { return send() }
        isOver = true
        handle.sendEnd()
    }

    func receiveEnd() {}

    func close(_ failure: StreamFailure?) {
        if let failure {
            result.fail(SpeedTestError.ended(failure))
        } else {
            result.succeed(Array(times.dropFirst(Self.uncounted)))
        }
    }

    private func send() {
        sentAt = .now()
        awaited = Self.byteCount
        _ = handle.send(bytes)  // far below any window: it goes at once
    }
}

@available(*, unavailable)
extension RoundTrips: Sendable {}
