import NIOCore
import SecureSession

/// Carries bytes between a socket and a session, which makes every decision.
///
/// It and its session stay on the channel's event loop.
final class SessionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: SecureSession
    private let handle: (SecureSession.Event, SecureSession) throws -> Void

    init(_ session: SecureSession, _ handle: @escaping (SecureSession.Event, SecureSession) throws -> Void) {
        self.session = session
        self.handle = handle
    }

    func channelActive(context: ChannelHandlerContext) { send(in: context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        session.receive(unwrapInboundIn(data))
        do {
            while let event = try session.next() { try handle(event, session) }
        } catch {
            // Silently: a peer that fails learns nothing.
            context.fireErrorCaught(error)
            context.close(promise: nil)
            return
        }
        send(in: context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        do {
            try session.inputEnded()
        } catch {
            context.fireErrorCaught(error)
        }
    }

    private func send(in context: ChannelHandlerContext) {
        while let bytes = session.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
        if session.isFinished { context.close(promise: nil) }
    }
}
