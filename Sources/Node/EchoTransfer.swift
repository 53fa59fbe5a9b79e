internal import NIOCore
internal import Sodium
internal import Transport
internal import Tunnel

/// Our end of an echo: sends all it may, drains what comes back, and hashes it.
final class EchoTransfer: StreamEnd {
    /// What came of it.
    struct Outcome: Sendable {
        let duration: Duration
        let sentHash: FixedBytes<32>
        let receivedHash: FixedBytes<32>
    }

    /// How many bytes are sent at a time; a frame's overhead is 1% anyway.
    private static let pieceByteCount = 1 << 16

    private let handle: StreamHandle
    private let sent: TestBytes
    private var unsent: TestBytes
    private let progress: (Int) -> Void
    private let result: EventLoopPromise<Outcome>

    private var start: NIODeadline?
    private var end: NIODeadline?
    private var isSending = false
    private var isResumed = false
    private var hasSentEnd = false
    private var isOver = false

    private var receivedHash = LateHash()
    private var receivedByteCount = 0
    private var reportedByteCount = 0

    init(
        _ handle: StreamHandle, sending bytes: TestBytes, progress: @escaping (Int) -> Void,
        result: EventLoopPromise<Outcome>
    ) {
        self.handle = handle
        sent = bytes
        unsent = bytes
        self.progress = progress
        self.result = result
    }

    // MARK: Sending

    func resume() {
        isResumed = true
        guard !isSending, !isOver else { return }
        isSending = true
        if start == nil { start = .now() }
        // Sending may lead straight back here: that is as good as having been told to go on.
        while isResumed, !isOver, handle.takesInput, let piece = unsent.next(limit: Self.pieceByteCount) {
            isResumed = false
            if handle.send(piece) { isResumed = true }
        }
        isSending = false
        if unsent.byteCount == 0, !hasSentEnd, !isOver {
            hasSentEnd = true
            handle.sendEnd()
        }
    }

    // MARK: Receiving

    func receive(_ bytes: ByteBuffer) {
        let byteCount = bytes.readableBytes
        receivedByteCount += byteCount
        receivedHash.append(bytes)
        if receivedByteCount >= sent.byteCount, end == nil { end = .now() }
        if receivedByteCount - reportedByteCount >= sent.byteCount / 200 {
            reportedByteCount = receivedByteCount
            progress(receivedByteCount)
        }
        handle.drained(byteCount)
    }

    func receiveEnd() {}

    func close(_ failure: StreamFailure?) {
        isOver = true
        if let failure { return result.fail(SpeedTestError.ended(failure)) }
        let end = end ?? .now()
        var received = LateHash()
        swap(&received, &receivedHash)
        result.succeed(
            Outcome(
                duration: .nanoseconds((end - (start ?? end)).nanoseconds), sentHash: sent.hash(),
                receivedHash: received.finalize()))
    }
}

@available(*, unavailable)
extension EchoTransfer: Sendable {}
