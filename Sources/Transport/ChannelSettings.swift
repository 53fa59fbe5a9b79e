internal import NIOCore
internal import NIOPosix

/// The socket options that listening and dialling share.
enum ChannelSettings {
    /// One read takes up to 256 KiB, and an idle connection keeps next to nothing: the buffer adapts.
    static var receiveAllocator: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 4096, maximum: 256 << 10)
    }

    /// How often a socket may be read before the loop looks at others.
    static let readsPerEvent: UInt = 4

    /// Above 512 KiB the socket takes no more until it has sent three quarters of that.
    static let writeWatermark = ChannelOptions.Types.WriteBufferWaterMark(low: 128 << 10, high: 512 << 10)
}

extension ClientBootstrap {
    /// The options of every connection, outward or to a local service.
    func companionwayOptions() -> ClientBootstrap {
        channelOption(.recvAllocator, value: ChannelSettings.receiveAllocator)
            .channelOption(.maxMessagesPerRead, value: ChannelSettings.readsPerEvent)
            .channelOption(.writeBufferWaterMark, value: ChannelSettings.writeWatermark)
            .channelOption(.allowRemoteHalfClosure, value: true)
    }
}

extension ServerBootstrap {
    /// The options of every accepted connection.
    func companionwayOptions() -> ServerBootstrap {
        serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.recvAllocator, value: ChannelSettings.receiveAllocator)
            .childChannelOption(.maxMessagesPerRead, value: ChannelSettings.readsPerEvent)
            .childChannelOption(.writeBufferWaterMark, value: ChannelSettings.writeWatermark)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
    }
}
