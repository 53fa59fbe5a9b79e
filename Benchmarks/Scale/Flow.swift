internal import Multiserver
internal import NIOCore
internal import PeerSupport
internal import Synchronization
internal import Transport
internal import Tunnel
internal import TypedSodium

/// A client of this process with a tunnel of its own.
struct Flow: Sendable {
    let link: NodeLink
    private let session: SessionID

    /// Connects to the portal and to an endpoint behind it.
    init(_ dialler: Dialler, _ portal: PeerAddress, _ tunnel: TunnelAddress) async throws {
        link = try await dialler.dial(portal).link
        session = try await link.openTunnel(to: tunnel.target)
    }

    /// Opens the service, and sends as fast as credit allows.
    func begin() async throws -> FlowStop {
        let stop = FlowStop()
        let loop = link.eventLoop
        try await link.open(.service("bytes"), on: session) { handle in
            let end = FlowEnd(handle, stop)
            // Only behind this call will the end be told what comes of its first bytes.
            loop.assumeIsolated().execute { end.resume() }
            return end
        }
        return stop
    }
}

/// Says that a flow is to end.
final class FlowStop: Sendable {
    private let isStopped_ = Atomic(false)
    private let isCut_ = Atomic(false)

    /// Whether it was said.
    var isStopped: Bool { isStopped_.load(ordering: .relaxed) }

    /// Whether the flow has ended in the middle.
    var isCut: Bool { isCut_.load(ordering: .relaxed) }

    fileprivate func wasCut() { isCut_.store(true, ordering: .relaxed) }

    /// Says so; the flow notices when it is about to send more.
    func stop() { isStopped_.store(true, ordering: .relaxed) }
}

/// Our end of a stream that only sends.
private final class FlowEnd: StreamEnd {
    private static let piece = ByteBuffer(bytes: Random.bytes(64 << 10))

    private let handle: StreamHandle
    private let stop: FlowStop
    private var isSending = false
    private var isResumed = false
    private var hasEnded = false

    init(_ handle: StreamHandle, _ stop: FlowStop) { (self.handle, self.stop) = (handle, stop) }

    func resume() {
        isResumed = true
        guard !isSending, !hasEnded else { return }
        isSending = true
        // Sending may lead straight back here: that is as good as having been told to go on.
        while isResumed, !stop.isStopped, handle.takesInput {
            isResumed = false
            if handle.send(Self.piece) { isResumed = true }
        }
        isSending = false
        guard stop.isStopped, !hasEnded else { return }
        hasEnded = true
        handle.sendEnd()
    }

    func receive(_ bytes: ByteBuffer) { handle.drained(bytes.readableBytes) }

    func receiveEnd() {}

    func close(_ failure: StreamFailure?) {
        if failure != nil, !hasEnded { stop.wasCut() }
        hasEnded = true
    }
}
