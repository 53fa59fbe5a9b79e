import Multiserver
import NIOCore
import NIOPosix
import Testing

@testable import Transport

@Suite("A connection to a service")
struct ConnectorTests {
    /// A name that has both loopback addresses, the IPv6 one first.
    private struct BothAddresses: Resolver {
        let eventLoop: any EventLoop

        func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
            eventLoop.makeCompletedFuture { [try SocketAddress(ipAddress: "127.0.0.1", port: port)] }
        }

        func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
            eventLoop.makeCompletedFuture { [try SocketAddress(ipAddress: "::1", port: port)] }
        }

        func cancelQueries() {}
    }

    /// Tells the first bytes that come.
    private final class Listening: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let heard: EventLoopPromise<String>

        init(_ heard: EventLoopPromise<String>) { self.heard = heard }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            heard.succeed(String(buffer: unwrapInboundIn(data)))
        }
    }

    @Test("that is a name is reached at whichever address answers", .timeLimit(.minutes(1)))
    func severalAddresses() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let heard = loop.makePromise(of: String.self)
        let service = try await ServerBootstrap(group: group).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(Listening(heard))
            }
        }.bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(service.localAddress?.port ?? 0)
        let connector = TCPConnector.service(
            host: "service.example", port: port, resolver: BothAddresses(eventLoop: loop))
        let channel = try await connector.connect(on: loop) { ChannelEnd.prepare($0) }.get()
        try await loop.submit {
            try channel.pipeline.syncOperations.handler(type: ChannelEnd.self).receive(
                ByteBuffer(string: "hello"))
        }.get()
        #expect(try await heard.futureResult.get() == "hello")
        try await channel.close()
        try await service.close()
        try await group.shutdownGracefully()
    }

    @Test("is asked whether it is still there after a minute's silence", .timeLimit(.minutes(1)))
    func keepAlive() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let accepted = group.next().makePromise(of: (any Channel).self)
        let listener = try await Listener.start(
            over: TCPAcceptor(ListenAddress("127.0.0.1:0"), for: .programs), group: group
        ) { channel in
            accepted.succeed(channel)
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        let connector = TCPConnector.service(host: "127.0.0.1", port: UInt16(listener.port))
        let channel = try await connector.connect(on: group.next()) { ChannelEnd.prepare($0) }.get()
        for channel in [channel, try await accepted.futureResult.get()] {
            #expect(try await channel.getOption(.socketOption(.so_keepalive)).get() == 1)
            #expect(try await channel.getOption(.tcpOption(.keepAliveIdle)).get() == 60)
            #expect(try await channel.getOption(.tcpOption(.keepAliveInterval)).get() == 10)
            #expect(try await channel.getOption(.tcpOption(.keepAliveCount)).get() == 3)
        }
        try await channel.close()
        await listener.close()
        try await group.shutdownGracefully()
    }
}
