import NIOCore
import NIOEmbedded
import PortalCore
import Testing

@testable import Transport

@Suite("A connection that begins with a proxy's header")
struct ProxyHeaderHandlerTests {
    /// Whatever comes of one connection.
    private final class Events {
        var sources: [SocketAddress?] = []
        var refusals: [ProxyHeaderError] = []
        var endCount = 0
        var bytes: [UInt8] = []
    }

    /// Stands for the portal's handler.
    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let events: Events

        init(_ events: Events) { self.events = events }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            events.bytes += unwrapInboundIn(data).readableBytesView
        }
    }

    private struct Turned: Error {}

    private let events = Events()
    private let channel = EmbeddedChannel()
    private let line = Array("PROXY TCP4 192.0.2.1 198.51.100.7 51000 443\r\n".utf8)

    private func begin(isTurnedAway: Bool = false) throws {
        let (events, channel) = (events, channel)
        let handler = ProxyHeaderHandler(
            opened: {
                events.sources.append($0)
                if isTurnedAway { throw Turned() }
                try channel.pipeline.syncOperations.addHandler(Reader(events))
            }, refused: { events.refusals.append($0) }, ended: { events.endCount += 1 })
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.connect(to: SocketAddress(ipAddress: "192.0.2.9", port: 1)).wait()
    }

    private func write(_ bytes: some Sequence<UInt8>) throws {
        try channel.writeInbound(ByteBuffer(bytes: bytes))
    }

    @Test("has its own bytes behind it, wherever it is cut", arguments: 0..<50)
    func cuts(_ place: Int) throws {
        try begin()
        let bytes = line + Array("what follows".utf8)
        try write(bytes[..<place])
        try write(bytes[place...])
        #expect(try events.sources == [SocketAddress(ipAddress: "192.0.2.1", port: 51000)])
        #expect(events.bytes == Array("what follows".utf8) && events.endCount == 1)
        // Nothing is left of the handler, nor of its timer.
        channel.embeddedEventLoop.advanceTime(by: ProxyHeaderHandler.time)
        try write([1])
        #expect(events.bytes.count == 13 && channel.isActive && events.refusals.isEmpty)
        _ = try channel.finish()
        #expect(events.endCount == 1)
    }

    @Test("is closed where there is no header")
    func missing() throws {
        try begin()
        try write([UInt8](repeating: 7, count: 64))
        #expect(events.refusals == [.missing] && !channel.isActive && events.sources.isEmpty)
        channel.embeddedEventLoop.run()
        #expect(events.endCount == 1 && events.bytes.isEmpty)
    }

    @Test("is closed where it does not come in time, however slowly it comes")
    func late() throws {
        try begin()
        for byte in line.prefix(29) {
            try write([byte])
            channel.embeddedEventLoop.advanceTime(by: .milliseconds(100))
        }
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(100))
        #expect(events.refusals == [.late] && !channel.isActive)
        channel.embeddedEventLoop.run()
        #expect(events.endCount == 1)
    }

    @Test("gives its place back where the portal turns it away, or the proxy has only looked")
    func ends() throws {
        try begin(isTurnedAway: true)
        try write(line)
        channel.embeddedEventLoop.run()
        #expect(!channel.isActive && events.endCount == 1 && events.refusals.isEmpty)
    }

    @Test("is over when the proxy ends it")
    func looked() throws {
        try begin()
        channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        channel.embeddedEventLoop.run()
        #expect(!channel.isActive && events.endCount == 1 && events.refusals.isEmpty)
    }
}
