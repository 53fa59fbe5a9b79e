package import Multiserver
import NIOCore
import NIOPosix
import Synchronization
import TypedSodium

/// Forwards one port to another inside the process, until it is told to fall silent: whoever is connected then sees an open
/// connection on which nothing comes back, as behind an address that has changed.
package final class Forwarder: Sendable {
    /// What becomes of bytes.
    package enum Manner: Sendable {
        /// They are passed on.
        case forwarding
        /// They are read slowly, and dropped: a line on which much is still on the way.
        case draining
        /// They are not read, and what was read is dropped.
        case silent
        /// They are not read, and go on as soon as others do.
        case paused
    }

    private let target: NetAddress
    private let refuses: @Sendable () -> Bool
    private let manner = Mutex(Manner.forwarding)
    private let ends = Mutex([ForwarderEnd.Reference]())

    /// A forwarder that ends at once each connection of which `refuses` says so.
    package init(to target: NetAddress, refuses: @escaping @Sendable () -> Bool = { false }) {
        self.target = target
        self.refuses = refuses
    }

    /// Listens for as long as `body` takes, which is told where.
    package func run(_ body: (NetAddress) async throws -> Void) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let listener = try await ServerBootstrap(group: group)
            // Little fits in front of it, so that a slow line is slow from the beginning.
            .serverChannelOption(.socketOption(.so_rcvbuf), value: 4096)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 1024))
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { [self] near in join(near) }
            .bind(host: "127.0.0.1", port: 0).get()
        let result: Result<Void, any Error>
        do {
            let net = try NetAddress(host: "127.0.0.1", port: UInt16(listener.localAddress?.port ?? 0))
            result = .success(try await body(net))
        } catch {
            result = .failure(error)
        }
        try await group.shutdownGracefully()
        try result.get()
    }

    /// From now on bytes are treated so.
    package func set(_ manner: Manner) {
        self.manner.withLock { $0 = manner }
        for end in ends.withLock(\.self) { end.wake() }
    }

    private func join(_ near: any Channel) -> EventLoopFuture<Void> {
        guard !refuses() else { return near.eventLoop.makeFailedFuture(ChannelError.eof) }
        return ClientBootstrap(group: near.eventLoop).channelOption(.autoRead, value: false)
            .connect(host: target.host, port: Int(target.port)).flatMapThrowing { [self] far in
                for (channel, other) in [(near, far), (far, near)] {
                    let end = ForwarderEnd(other: other) { [self] in manner.withLock(\.self) }
                    try channel.pipeline.syncOperations.addHandler(end)
                    ends.withLock { $0.append(ForwarderEnd.Reference(end, on: channel)) }
                }
                // The near one is read by its handler once it is active.
                far.read()
            }
    }
}

/// One side of a forwarded connection.
private final class ForwarderEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Reference: Sendable {
        private let end: NIOLoopBound<ForwarderEnd>
        private let channel: any Channel

        init(_ end: ForwarderEnd, on channel: any Channel) {
            self.end = NIOLoopBound(end, eventLoop: channel.eventLoop)
            self.channel = channel
        }

        func wake() {
            channel.eventLoop.execute { [end, channel] in end.value.wake(channel) }
        }
    }

    /// How long it takes to read 1 KiB of a slow line.
    private static let drainTime = TimeAmount.milliseconds(100)

    private let other: any Channel
    private var held: ByteBuffer?
    private let manner: () -> Forwarder.Manner

    init(other: any Channel, manner: @escaping () -> Forwarder.Manner) {
        self.other = other
        self.manner = manner
    }

    func channelActive(context: ChannelHandlerContext) { context.read() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = context.channel
        switch manner() {
        case .forwarding:
            other.writeAndFlush(unwrapInboundIn(data)).whenComplete { _ in channel.read() }
        case .draining:
            context.eventLoop.scheduleTask(in: Self.drainTime) { () -> Void in channel.read() }
        case .silent:
            break
        case .paused:
            held = unwrapInboundIn(data)
        }
    }

    /// Goes on with what was held, or reads.
    func wake(_ channel: any Channel) {
        guard let bytes = held else { return channel.read() }
        held = nil
        other.writeAndFlush(bytes).whenComplete { _ in channel.read() }
    }

    func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
}
