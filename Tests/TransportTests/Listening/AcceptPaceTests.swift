import NIOCore
import NIOEmbedded
import Testing

@testable import Transport

@Suite("The pace of accepting")
struct AcceptPaceTests {
    /// Stands for the socket, and counts how often it is to accept more.
    private final class Socket: ChannelOutboundHandler {
        typealias OutboundIn = Never
        private(set) var readCount = 0

        func read(context: ChannelHandlerContext) { readCount += 1 }
    }

    private let listener = EmbeddedChannel()
    private let socket = Socket()
    private let loop = EmbeddedEventLoop()

    init() throws { try listener.pipeline.syncOperations.addHandlers(socket, AcceptPace()) }

    private func accept(_ count: Int) {
        for _ in 0..<count {
            let accepted: any Channel = EmbeddedChannel(loop: loop)
            listener.pipeline.fireChannelRead(accepted)
        }
        listener.pipeline.fireChannelReadComplete()
        listener.read()
    }

    @Test("stops where so many wait to be set up, and goes on behind the first of them")
    func pace() throws {
        accept(AcceptPace.limit - 1)
        #expect(socket.readCount == 1)
        accept(1)
        #expect(socket.readCount == 1, "the system holds what comes now")
        listener.embeddedEventLoop.run()
        #expect(socket.readCount == 1, "nothing is set up yet")
        loop.run()
        listener.embeddedEventLoop.run()
        #expect(socket.readCount == 2, "asked for once")
        accept(AcceptPace.limit)
        #expect(socket.readCount == 2)
        loop.run()
        listener.embeddedEventLoop.run()
        #expect(socket.readCount == 3)
        _ = try listener.finish()
    }

    @Test("ends with the listener")
    func end() throws {
        accept(AcceptPace.limit)
        _ = try listener.finish()
        loop.run()
        listener.embeddedEventLoop.run()
        #expect(socket.readCount == 0)
    }
}
