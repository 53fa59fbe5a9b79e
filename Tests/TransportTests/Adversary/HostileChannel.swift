import NIOCore
import TestSupport

/// An adversary on a real connection.
///
/// It goes when it is done; where the portal has to end the connection, it stays until that has happened.
final class HostileChannel: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// How long the portal may take to do what it has to.
    private static let patience = TimeAmount.seconds(90)

    private let adversary: AdversarialPeer
    private let result: EventLoopPromise<[String]>
    private var isLate = false
    private var isLeaving = false
    private var timer: Scheduled<Void>?

    init(_ adversary: AdversarialPeer, complaints: EventLoopPromise<[String]>) {
        self.adversary = adversary
        result = complaints
    }

    private var mayLeave: Bool {
        guard adversary.isDone else { return false }
        guard !adversary.hangsUp else { return true }
        return switch (adversary.plan.misdeed.consequence, adversary.plan.depth) {
        case (.failure, .outer): false
        case (.survival, _): adversary.probeIsAnswered
        default: true
        }
    }

    func channelActive(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: Self.patience) {
            bound.value.0.isLate = true
            bound.value.1.close(promise: nil)
        }
        pump(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        adversary.receive(unwrapInboundIn(data))
        pump(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        adversary.inputEnded()
        result.succeed(adversary.complaints + (isLate ? ["nothing happened"] : []))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func pump(_ context: ChannelHandlerContext) {
        while let bytes = adversary.nextOutput() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
        guard mayLeave, !isLeaving else { return }
        isLeaving = true
        // Behind everything that was written.
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).whenComplete { _ in
            bound.value.close(promise: nil)
        }
    }
}

@available(*, unavailable)
extension HostileChannel: Sendable {}
