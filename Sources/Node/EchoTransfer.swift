internal import NIOCore
internal import Transport
internal import Tunnel

/// Our end of an echo: sends all it may, drains what comes back, and compares it with what was sent.
final class EchoTransfer: StreamEnd {
    /// How many bytes are sent, and compared, at a time; a frame's overhead is 1% anyway.
    private static let pieceByteCount = 1 << 16

    private let handle: StreamHandle
    private let byteCount: Int
    private var unsent: TestBytes
    /// What is awaited, of which a piece was made already.
    private var awaited: (piece: ByteBuffer, rest: TestBytes)
    private let progress: (Double) -> Void
    private let watch: EchoWatch
    private let result: EventLoopPromise<Duration>

    private var start: NIODeadline?
    private var end: NIODeadline?
    private var isSending = false
    private var isResumed = false
    private var hasSentEnd = false
    private var isOver = false

    private var receivedByteCount = 0
    private var reportedByteCount = 0

    init(
        _ handle: StreamHandle, sending bytes: TestBytes, watch: EchoWatch,
        result: EventLoopPromise<Duration>,
        progress: @escaping (Double) -> Void
    ) {
        self.handle = handle
        byteCount = bytes.byteCount
        unsent = bytes
        awaited = (ByteBuffer(), bytes)
        self.watch = watch
        self.result = result
        self.progress = progress
    }

    // MARK: Sending

    func resume() {
        isResumed = true
        guard !isSending, !isOver else { return }
        isSending = true
        if start == nil {
            start = .now()
            watch.start { [weak self] in self?.fail(.silent(.echo)) }
        }
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
        guard !isOver else { return handle.drained(bytes.readableBytes) }
        watch.heard()
        let count = bytes.readableBytes
        guard count <= byteCount - receivedByteCount else { return fail(.tooMuch) }
        guard isAwaited(bytes) else { return fail(.otherBytes) }
        receivedByteCount += count
        if receivedByteCount == byteCount { end = .now() }
        if receivedByteCount - reportedByteCount >= byteCount / 200 {
            reportedByteCount = receivedByteCount
            progress(Double(receivedByteCount) / Double(byteCount))
        }
        handle.drained(count)
    }

    func receiveEnd() { watch.heard() }

    func close(_ failure: StreamFailure?) {
        watch.stop()
        guard !isOver else { return }
        isOver = true
        if let failure {
            result.fail(SpeedTestError.ended(failure))
        } else if let start, let end {
            result.succeed(.nanoseconds((end - start).nanoseconds))
        } else {
            result.fail(SpeedTestError.ended(.truncated))
        }
    }

    /// Whether these are the next bytes that were sent.
    private func isAwaited(_ bytes: ByteBuffer) -> Bool {
        var bytes = bytes
        while bytes.readableBytes > 0 {
            if awaited.piece.readableBytes == 0 {
                guard let piece = awaited.rest.next(limit: Self.pieceByteCount) else { return false }
                awaited.piece = piece
            }
            let count = min(bytes.readableBytes, awaited.piece.readableBytes)
            guard let came = bytes.readSlice(length: count), came == awaited.piece.readSlice(length: count)
            else { return false }
        }
        return true
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
extension EchoTransfer: Sendable {}
