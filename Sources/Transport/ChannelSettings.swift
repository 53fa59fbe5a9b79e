internal import Connection
internal import Glibc
internal import NIOCore
internal import NIOPosix

/// The socket options that listening and dialling share.
enum ChannelSettings {
    /// One read takes up to 256 KiB, and an idle connection keeps next to nothing.
    static var receiveAllocator: ReadBuffers { ReadBuffers() }

    /// How often a socket may be read before the loop looks at others, and before anything is written.
    ///
    /// Once: what was read is still in the processor's cache when it is passed on, and a sender that has to be paused
    /// makes us hold one read, not several. Four cost the ends of a tunnel a seventh more.
    static let readsPerEvent: UInt = 1

    /// How many connections wait with the system to be accepted.
    ///
    /// What is beyond it is dropped, and asks again after a second, after three, after seven.
    static let backlog: Int32 = 4096

    /// How many connections are accepted before the loop looks at other sockets.
    static let acceptsPerEvent: UInt = 4

    /// How much a socket to the network may have taken and not sent, in bytes, before it takes no more.
    ///
    /// What it has taken can be overtaken by nothing, and on a slow line Linux would take megabytes. 64 KiB is one turn of a
    /// portal's queues, and half a millisecond of a line of 1 Gbit/s; where a line is slower, ``WritePace`` makes it less.
    static let unsentByteCount: ChannelOptions.Types.SocketOption.Value = 64 << 10

    /// Bounds what a socket keeps unsent; a carrier that is no TCP has no such bound.
    static func boundUnsent(_ channel: any Channel, to byteCount: Int) {
        try? channel.syncOptions?.setOption(.tcpOption(.unsentByteCount), value: .init(byteCount))
    }

    /// On a path as short as that, in microseconds there and back, a node's socket holds no more than ``shortPathByteCount``.
    static let shortPathTime: UInt32 = 1000

    /// How much may stand in a node's socket before the node has read it, in bytes: enough for 500 MB/s on such a path.
    ///
    /// There Linux would let several megabytes come, in front of which nothing gets: a portal could not take turns, and
    /// tunnels would share by the size of their windows. On a longer path the line is what is short, and the portal
    /// holds what waits.
    static let shortPathByteCount: ChannelOptions.Types.SocketOption.Value = 512 << 10

    /// Bounds what stands in a node's socket where the path is short.
    static func boundOnShortPath(_ channel: any Channel) {
        #if os(Linux)
        guard let socket = channel as? any SocketOptionProvider else { return }
        socket.getTCPInfo().whenSuccess { info in
            guard info.tcpi_rtt < shortPathTime else { return }
            // Without it turns are taken less evenly, and nothing else is different.
            channel.setOption(.socketOption(.so_rcvbuf), value: shortPathByteCount).whenFailure { _ in }
        }
        #endif
    }

    /// How much may stand in the socket of a stranger before a portal has read it, in bytes; Linux takes twice as much.
    ///
    /// It is memory that no account sees. Until the handshake is over no socket has more than the system begins with.
    static let strangerByteCount: ChannelOptions.Types.SocketOption.Value = 256 << 10

    /// Bounds what stands in the socket of somebody who is no member.
    static func boundStranger(_ channel: any Channel, unless isMember: Bool) {
        guard !isMember else { return }
        // Without it the system's own bound counts.
        try? channel.syncOptions?.setOption(.socketOption(.so_rcvbuf), value: strangerByteCount)
    }

    /// From how many bytes on a read is one of many, each of which lets the peer send the next.
    static let bulkByteCount = 16 << 10

    /// Sends the acknowledgement of what was read, which the system would hold back for an answer to go with.
    ///
    /// Source: tcp(7), TCP_QUICKACK, which is not permanent.
    static func acknowledge(_ channel: any Channel) {
        #if os(Linux)
        // Without it the peer waits as long as before.
        try? channel.syncOptions?.setOption(.tcpOption(.init(rawValue: TCP_QUICKACK)), value: 1)
        #endif
    }

    /// Tells how many bytes of what was sent the peer's system has, over all time, where more is on the way; at once, on the
    /// channel's loop.
    static func withAcknowledgedBytes(on channel: any Channel, _ body: @escaping (UInt64) -> Void) {
        #if os(Linux)
        guard let socket = channel as? any SocketOptionProvider else { return }
        let state: EventLoopFuture<SendState> = socket.unsafeGetSocketOption(
            level: .tcp, name: .init(rawValue: TCP_INFO))
        state.assumeIsolated().whenSuccess { state in
            if state.isMoreUnderWay { body(state.acknowledgedByteCount) }
        }
        #endif
    }

    /// When the system finds out that nobody is at the other end of a silent connection, in its own units, and at most
    /// ``KeepAlive/count`` of its questions later.
    enum KeepAlive {
        /// After how many seconds of silence it asks.
        static let idleSeconds: ChannelOptions.Types.SocketOption.Value = 60
        /// How many seconds it waits for an answer before it asks again.
        static let intervalSeconds: ChannelOptions.Types.SocketOption.Value = 10
        /// How often it asks.
        static let count: ChannelOptions.Types.SocketOption.Value = 3
    }
}

#if os(Linux)
/// The first fields of the system's `tcp_info`, of which the C library knows fewer; in words of 64 bits, of which those of
/// 32 bits are the lower half.
///
/// Source: linux/tcp.h; all of them are there since Linux 4.6.
private struct SendState {
    private typealias Words = (
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
    )

    private var words: Words = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    /// `tcpi_bytes_acked`.
    var acknowledgedByteCount: UInt64 { words.15 }

    /// Whether `tcpi_unacked` or `tcpi_notsent_bytes` is not 0.
    var isMoreUnderWay: Bool {
        UInt32(truncatingIfNeeded: words.3) > 0 || UInt32(truncatingIfNeeded: words.18) > 0
    }
}
#endif

/// Buffers for what is read, as large as the last reads suggest, each let go with its content.
///
/// A connection of NIO's keeps as many buffers as it may read at a time, and one that was busy once would keep 1 MiB
/// for good. It does so for allocators that tell the next size, which this one does not; without, it keeps the first
/// ones only, which are small. To allocate another for every read costs a thousandth of what is done with the read.
struct ReadBuffers: RecvByteBufferAllocator {
    private var sizes: AdaptiveRecvByteBufferAllocator

    /// Buffers that begin as small as the last read was, in bytes.
    init(behind lastByteCount: Int = 0, maximum: Int = ReadSize.greatestByteCount) {
        sizes = AdaptiveRecvByteBufferAllocator(
            minimum: 256, initial: min(max(256, lastByteCount), maximum), maximum: maximum)
    }

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { sizes.buffer(allocator: allocator) }

    /// Says that the next one may be larger, always: else NIO would fill the former one again.
    mutating func record(actualReadBytes: Int) -> Bool {
        _ = sizes.record(actualReadBytes: actualReadBytes)
        return true
    }
}

extension ClientBootstrap {
    /// The options of a TCP connection to a portal or peer.
    func networkOptions() -> ClientBootstrap {
        channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.tcpOption(.unsentByteCount), value: ChannelSettings.unsentByteCount)
    }

    /// The options of a TCP connection to a local service.
    func serviceOptions() -> ClientBootstrap {
        channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(.keepAliveIdle), value: ChannelSettings.KeepAlive.idleSeconds)
            .channelOption(.tcpOption(.keepAliveInterval), value: ChannelSettings.KeepAlive.intervalSeconds)
            .channelOption(.tcpOption(.keepAliveCount), value: ChannelSettings.KeepAlive.count)
    }

    /// The options of every connection, outward or to a local service.
    func companionwayOptions() -> ClientBootstrap {
        channelOption(.recvAllocator, value: ChannelSettings.receiveAllocator)
            .channelOption(.maxMessagesPerRead, value: ChannelSettings.readsPerEvent)
            .channelOption(.allowRemoteHalfClosure, value: true)
    }
}

extension ServerBootstrap {
    /// The options of a port that local programs connect to.
    func keepAliveOptions() -> ServerBootstrap {
        childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(.keepAliveIdle), value: ChannelSettings.KeepAlive.idleSeconds)
            .childChannelOption(
                .tcpOption(.keepAliveInterval), value: ChannelSettings.KeepAlive.intervalSeconds
            )
            .childChannelOption(.tcpOption(.keepAliveCount), value: ChannelSettings.KeepAlive.count)
    }

    /// The options of every accepted connection.
    func companionwayOptions() -> ServerBootstrap {
        serverChannelOption(.backlog, value: ChannelSettings.backlog)
            .serverChannelOption(.autoRead, value: false)
            .serverChannelOption(.maxMessagesPerRead, value: ChannelSettings.acceptsPerEvent)
            .childChannelOption(.recvAllocator, value: ChannelSettings.receiveAllocator)
            .childChannelOption(.maxMessagesPerRead, value: ChannelSettings.readsPerEvent)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
    }

    /// The options of every TCP connection that is accepted.
    func networkOptions() -> ServerBootstrap {
        childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.tcpOption(.unsentByteCount), value: ChannelSettings.unsentByteCount)
    }
}

extension NIOBSDSocket.Option {
    /// Up to how many unsent bytes a TCP socket takes more; Linux 3.12 and Darwin have it.
    fileprivate static var unsentByteCount: NIOBSDSocket.Option { .init(rawValue: TCP_NOTSENT_LOWAT) }

    #if canImport(Darwin)
    static var keepAliveIdle: NIOBSDSocket.Option { .init(rawValue: TCP_KEEPALIVE) }
    #else
    static var keepAliveIdle: NIOBSDSocket.Option { .init(rawValue: TCP_KEEPIDLE) }
    #endif
    static var keepAliveInterval: NIOBSDSocket.Option { .init(rawValue: TCP_KEEPINTVL) }
    static var keepAliveCount: NIOBSDSocket.Option { .init(rawValue: TCP_KEEPCNT) }
}
