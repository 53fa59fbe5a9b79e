internal import Glibc
internal import NIOCore

/// What happens where connections are accepted, for the log.
package enum ListenerEvent: Sendable {
    /// The process is out of something, so nothing is accepted for a second.
    case paused(Shortage)
    /// One connection could not be accepted.
    case notAccepted(any Error)
}

/// What passes when others let something go.
package enum Shortage: Sendable {
    case descriptors
    case socketMemory

    init?(_ error: any Error) {
        switch (error as? IOError)?.errnoCode {
        case EMFILE?, ENFILE?: self = .descriptors
        case ENOBUFS?, ENOMEM?: self = .socketMemory
        default: return nil
        }
    }
}

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

/// Stops accepting where the process is out of descriptors, and begins again after a while.
///
/// A round of NIO's whose first `accept` fails leaves the socket registered, and the loop would turn for nothing else:
/// no read is asked for again, so nothing is asked that could say no. Hence the switch is what stops it.
final class AcceptPause: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias OutboundIn = Never

    /// How long a pause is.
    private static let time = TimeAmount.seconds(1)

    private let report: @Sendable (ListenerEvent) -> Void
    private var context: ChannelHandlerContext?
    private var isPaused = false

    /// Whether its channel is the one of its address that accepts; the others wait.
    var isWanted = false {
        didSet { follow() }
    }

    init(report: @escaping @Sendable (ListenerEvent) -> Void) { self.report = report }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// What ``AcceptPace`` has held back may come when nothing is to be accepted any more.
    func read(context: ChannelHandlerContext) {
        if isWanted, !isPaused { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let shortage = Shortage(error) else { return report(.notAccepted(error)) }
        guard !isPaused else { return }
        isPaused = true
        report(.paused(shortage))
        follow()
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.time) {
            bound.value.isPaused = false
            bound.value.follow()
        }
    }

    private func follow() {
        // It fails where the listener is closed, and then there is nothing to be stopped.
        try? context?.channel.syncOptions?.setOption(.autoRead, value: isWanted && !isPaused)
    }
}
