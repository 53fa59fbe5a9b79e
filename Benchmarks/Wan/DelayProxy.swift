internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A long line on the loopback interface: bytes arrive later than they were sent, and not faster than its
/// rate.
///
/// Each direction of a connection is a line of its own. What is under way on it is limited to what fits such
/// a line and a router in front of it; beyond that the sender's socket is not read, as a full window would
/// have it.
final class DelayProxy: Sendable {
    /// What the line is like.
    struct Line: Sendable {
        /// From one end to the other, half of a round trip.
        var delay: Duration = .zero
        /// The share of packets of 1448 bytes that arrive one round trip late, as after a loss; what is
        /// behind waits.
        var stallShare = 0.0

        /// What passes in a second, in bytes: 320 Mbit/s, so that 4 MiB under way fill it at 100 ms.
        var bytesPerSecond = 40_000_000.0
        /// What may be under way in one direction, in bytes: what the line holds at 100 ms, and 1 MiB in a
        /// router.
        var limitByteCount = 5 << 20
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channel: any Channel
    private let line: LineSetting

    /// A line to a port, in front of which a socket holds so many bytes, or what the system lets it hold.
    init(to target: UInt16, socketByteCount: ChannelOptions.Types.SocketOption.Value? = nil) async throws {
        let line = LineSetting()
        self.line = line
        var near = ServerBootstrap(group: group)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
        if let socketByteCount {
            // Windows are agreed on when a connection begins, so the port has the bound, too.
            near = near.serverChannelOption(.socketOption(.so_rcvbuf), value: socketByteCount)
                .childChannelOption(.maxMessagesPerRead, value: 1)
        }
        channel = try await near.childChannelInitializer { near in
            var far = ClientBootstrap(group: near.eventLoop)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.allowRemoteHalfClosure, value: true)
            if let socketByteCount {
                far = far.channelOption(.socketOption(.so_rcvbuf), value: socketByteCount)
                    .channelOption(.maxMessagesPerRead, value: 1)
            }
            return far.connect(host: "127.0.0.1", port: Int(target)).flatMapThrowing { far in
                let (left, right) = (DelayHandler(line), DelayHandler(line))
                (left.partner, right.partner) = (right, left)
                try near.pipeline.syncOperations.addHandler(left)
                try far.pipeline.syncOperations.addHandler(right)
            }
        }.bind(host: "127.0.0.1", port: 0).get()
    }

    /// Where the line begins.
    var port: UInt16 { UInt16(clamping: channel.localAddress?.port ?? 0) }

    /// Changes the line, for what is sent from now on.
    func set(_ line: Line) { self.line.value.withLock { $0 = line } }

    /// Ends the line.
    func end() async { try? await group.shutdownGracefully() }
}

/// The line as its handlers see it.
private final class LineSetting: Sendable {
    let value = Mutex(DelayProxy.Line())
}

/// One end of a connection over the line: what it reads, the other writes later.
private final class DelayHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What was read and is under way.
    private struct Piece {
        let bytes: ByteBuffer
        let due: NIODeadline
    }

    private static let packetByteCount = 1448

    var partner: DelayHandler?
    private let line: LineSetting
    private var context: ChannelHandlerContext?
    private var underWay = CircularBuffer<Piece>()
    private var underWayByteCount = 0
    /// When the line is free for the next byte, and when the last one arrives.
    private var freeAt = NIODeadline.uptimeNanoseconds(0)
    private var lastDue = NIODeadline.uptimeNanoseconds(0)
    private var isScheduled = false
    private var holdsRead = false
    private var hasEnded = false

    init(_ line: LineSetting) { self.line = line }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        partner = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        let now = NIODeadline.now()
        let line = line.value.withLock { $0 }
        let seconds = Double(bytes.readableBytes) / line.bytesPerSecond
        freeAt = max(freeAt, now) + .nanoseconds(Int64(seconds * 1e9))
        var due = freeAt + .nanoseconds(Int64(line.delay.inSeconds * 1e9))
        let packetCount = Double(bytes.readableBytes) / Double(Self.packetByteCount)
        if line.stallShare > 0, Double.random(in: 0..<1) < packetCount * line.stallShare {
            due = due + .nanoseconds(Int64(2 * line.delay.inSeconds * 1e9))
        }
        // Nothing overtakes: what is behind a stall waits for it.
        lastDue = max(lastDue, due)
        underWayByteCount += bytes.readableBytes
        underWay.append(Piece(bytes: bytes, due: lastDue))
        schedule(context)
    }

    func read(context: ChannelHandlerContext) {
        if hasRoom { context.read() } else { holdsRead = true }
    }

    private var hasRoom: Bool { underWayByteCount < line.value.withLock { $0.limitByteCount } }

    private func schedule(_ context: ChannelHandlerContext) {
        guard !isScheduled, let due = underWay.first?.due else { return }
        isScheduled = true
        context.eventLoop.assumeIsolated().scheduleTask(deadline: due) { [weak self] () -> Void in
            self?.arrive()
        }
    }

    private func arrive() {
        isScheduled = false
        // What is due within the next fifth of a millisecond goes along: one write for several pieces.
        let now = NIODeadline.now() + .microseconds(200)
        while let piece = underWay.first, piece.due <= now {
            underWay.removeFirst()
            underWayByteCount -= piece.bytes.readableBytes
            partner?.context?.write(wrapOutboundOut(piece.bytes), promise: nil)
        }
        partner?.context?.flush()
        guard let context else { return }
        if holdsRead, hasRoom {
            holdsRead = false
            context.read()
        }
        schedule(context)
        endIfDue()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .some(.inputClosed) = event as? ChannelEvent else { return }
        hasEnded = true
        endIfDue()
    }

    private func endIfDue() {
        if hasEnded, underWay.isEmpty { partner?.context?.closeBehindWrites(.output) }
    }

    func channelInactive(context: ChannelHandlerContext) { partner?.context?.close(promise: nil) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
