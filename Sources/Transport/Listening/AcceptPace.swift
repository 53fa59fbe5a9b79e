internal import NIOCore

/// Has no more connections accepted before those that were are set up, each on its own event loop.
///
/// Thousands may connect at once. A loop accepts few in a round, and sees to its other sockets in between; but what it
/// gives to other loops would become one long round of theirs. Those that wait for it wait with the system.
final class AcceptPace: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias OutboundIn = Never

    /// How many may be accepted and not set up: about a millisecond's work, if they are all one loop's.
    static let limit = 16

    private var count = 0
    private var isHoldingRead = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let loop = unwrapInboundIn(data).eventLoop
        count += 1
        context.fireChannelRead(data)
        // Behind what sets it up, whatever comes of that.
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        loop.submit {}.hop(to: context.eventLoop).whenComplete { _ in
            let (pace, context) = bound.value
            pace.count -= 1
            pace.resumeReading(context)
        }
    }

    func read(context: ChannelHandlerContext) {
        isHoldingRead = count >= Self.limit
        if !isHoldingRead { context.read() }
    }

    func handlerRemoved(context: ChannelHandlerContext) { isHoldingRead = false }

    private func resumeReading(_ context: ChannelHandlerContext) {
        guard isHoldingRead, count < Self.limit else { return }
        isHoldingRead = false
        context.read()
    }
}
