internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Tunnel

/// A local channel at the end of a stream: a socket of a service or of its user, or standard input and output.
///
/// The far side's end closes our output; an end in the middle resets the connection, so that nobody takes what came
/// for all there was.
final class ChannelEnd: ChannelDuplexHandler, StreamEnd {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var handle: StreamHandle?
    private var ended: EventLoopPromise<Void>?
    private var context: ChannelHandlerContext?
    /// What a channel brought that was closed before it had a stream: then it is read without being asked.
    private var early = ByteBuffer()
    private var isPaused = false
    private var holdsRead = false
    private var isOver = false
    private var hasFailed = false
    private var hasSentEnd = false
    private var hasReceivedEnd = false
    private var unwritten = 0
    /// What is to be done behind the last write.
    private var pendingClose: CloseMode?

    /// What is paid for the channel, for as long as it stands.
    private var place: ServicePlace?

    /// An end without a stream yet; it reads nothing of its own accord.
    init(place: ServicePlace? = nil) { self.place = place }

    /// Joins the end to its stream.
    ///
    /// `ended` is told the end of the stream, or why it ended in the middle.
    func attach(_ handle: StreamHandle, ended: EventLoopPromise<Void>? = nil) {
        self.handle = handle
        self.ended = ended
        if early.readableBytes > 0 { send(early, to: handle) }
        early = ByteBuffer()
        if hasSentEnd { handle.sendEnd() }
        if isOver { return abandon() }
        resumeReading()
    }

    // MARK: The local side

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        place = nil
        handle?.endIsGone()
    }

    /// Whether the channel stands.
    var isOpen: Bool { context != nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if let handle {
            send(bytes, to: handle)
        } else {
            early.writeBuffer(&bytes)
        }
    }

    private func send(_ bytes: ByteBuffer, to handle: StreamHandle) {
        // Sending may lead straight to `resume()`, where the socket takes at once what waits.
        isPaused = true
        if handle.send(bytes) { isPaused = false }
    }

    func read(context: ChannelHandlerContext) {
        if let handle, !isPaused, handle.takesInput { context.read() } else { holdsRead = true }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent {
            hasSentEnd = true
            handle?.sendEnd()
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        hasFailed = true
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard !isOver else { return }
        if hasReceivedEnd, !hasFailed {
            // Our direction was closed already, so the local side's orderly end closes the channel at once.
            if !hasSentEnd {
                hasSentEnd = true
                handle?.sendEnd()
            }
        } else {
            isOver = true
            abandon()
        }
    }

    /// The local connection is gone in the middle.
    private func abandon() {
        handle?.fail("the local connection was closed")
        ended?.fail(ChannelError.eof)
        ended = nil
    }

    // MARK: The far side

    func receive(_ bytes: ByteBuffer) {
        guard let context else { return }
        let byteCount = bytes.readableBytes
        let promise = context.eventLoop.makePromise(of: Void.self)
        unwritten += 1
        promise.futureResult.assumeIsolated().whenComplete { [weak self] result in
            self?.written(byteCount, isOK: (try? result.get()) != nil)
        }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: promise)
    }

    func receiveEnd() {
        hasReceivedEnd = true
        closeBehindWrites(.output)
    }

    func resume() {
        isPaused = false
        resumeReading()
    }

    private func resumeReading() {
        guard holdsRead, !isPaused, let context, let handle, handle.takesInput else { return }
        holdsRead = false
        context.read()
    }

    func close(_ failure: StreamFailure?) {
        isOver = true
        if let failure {
            reset()
            ended?.fail(failure)
        } else {
            closeBehindWrites(.all)
            ended?.succeed()
        }
        ended = nil
    }

    private func written(_ byteCount: Int, isOK: Bool) {
        unwritten -= 1
        if isOK, !isOver { handle?.drained(byteCount) }
        if unwritten == 0, let mode = pendingClose { closeBehindWrites(mode) }
    }

    private func closeBehindWrites(_ mode: CloseMode) {
        guard unwritten == 0 else {
            pendingClose = mode == .all || pendingClose == .all ? .all : mode
            return
        }
        pendingClose = nil
        context?.close(mode: mode, promise: nil)
    }

    /// Cuts the local connection off.
    func reset() {
        guard let context else { return }
        Self.reset(context.channel)
    }

    /// Makes a channel ready for its stream; one to a service takes a place for as long as it stands.
    static func prepare(_ channel: any Channel, at place: ServicePlace? = nil) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(ChannelEnd(place: place))
        }
    }

    /// Closes a channel so that its other end cannot take it for an orderly end.
    static func reset(_ channel: any Channel) {
        if let socket = channel as? any SocketOptionProvider {
            socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenFailure { _ in }
        }
        channel.close(promise: nil)
    }
}

@available(*, unavailable)
extension ChannelEnd: Sendable {}
