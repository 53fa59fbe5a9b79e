internal import NIOCore
internal import PortalCore

/// Takes the header off a connection that a proxy has passed on; nothing else sees the connection before.
///
/// What it decides is ``ProxyHeader``'s and the portal's; this one keeps what has come, and the time.
final class ProxyHeaderHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// How long a header may take: a proxy sends it when it has connected.
    static let time = TimeAmount.seconds(3)

    private let opened: (SocketAddress?) throws -> Void
    private let refused: (ProxyHeaderError) -> Void
    /// Called once: when the header is here, or the channel is gone.
    private var ended: (() -> Void)?
    private var arrived = ByteBuffer()
    private var timer: Scheduled<Void>?

    /// A handler for one connection, on whose loop one of the two is called.
    ///
    /// `opened` is told where the connection comes from, `nil` for the proxy itself, and gives the channel its other
    /// handlers; where it throws, or after `refused`, the channel is closed.
    init(
        opened: @escaping (SocketAddress?) throws -> Void, refused: @escaping (ProxyHeaderError) -> Void,
        ended: @escaping () -> Void
    ) {
        self.opened = opened
        self.refused = refused
        self.ended = ended
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: Self.time) {
            let (handler, context) = bound.value
            handler.refuse(.late, context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        ended?()
        ended = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        arrived.writeBuffer(&bytes)
        do throws(ProxyHeaderError) {
            guard let header = try ProxyHeader.read(arrived) else { return }
            arrived.moveReaderIndex(forwardBy: header.byteCount)
            open(from: header.source, context)
        } catch {
            refuse(error, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A proxy that only looks whether somebody listens.
        if case .some(.inputClosed) = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    private func open(from source: SocketAddress?, _ context: ChannelHandlerContext) {
        timer?.cancel()
        do {
            try opened(source)
        } catch {
            return context.close(promise: nil)
        }
        if arrived.readableBytes > 0 {
            // A buffer of its own: what reads it takes its beginning for that of the connection.
            context.fireChannelRead(wrapInboundOut(arrived.slice()))
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func refuse(_ error: ProxyHeaderError, _ context: ChannelHandlerContext) {
        timer?.cancel()
        refused(error)
        context.close(promise: nil)
    }
}

@available(*, unavailable)
extension ProxyHeaderHandler: Sendable {}
