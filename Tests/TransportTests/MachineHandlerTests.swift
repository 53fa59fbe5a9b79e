import Connection
import NIOCore
import NIOEmbedded
import Testing

@testable import Transport

@Suite("The channel's handler")
struct MachineHandlerTests {
    private static let pieceByteCount = 32 << 10

    @Test("gives a socket that takes all at once 256 KiB at a time")
    func fastSocket() throws {
        let (machine, socket, channel) = try Self.connected(pieceCount: 20)
        #expect(machine.pieceCount == 0)
        #expect(socket.rounds == [8, 8, 4])
        _ = try channel.finish()
    }

    @Test("asks for no more before a socket has taken all, and then for little")
    func slowSocket() throws {
        let (machine, socket, channel) = try Self.connected(pieceCount: 20, isSlow: true)
        #expect(socket.rounds == [8] && machine.pieceCount == 12)
        for _ in 0..<7 { socket.take() }
        #expect(socket.rounds == [8])
        socket.take()
        #expect(socket.rounds == [8, 2])
        // It takes all at once again, and is given more step by step.
        socket.isSlow = false
        while socket.isHolding { socket.take() }
        #expect(socket.rounds == [8, 2, 2, 4, 4] && machine.pieceCount == 0)
        _ = try channel.finish()
    }

    /// A machine with so many pieces to send, and a socket that has been given the first of them.
    private static func connected(
        pieceCount: Int, isSlow: Bool = false
    ) throws -> (Feed, HeldSocket, EmbeddedChannel) {
        let (machine, socket) = (Feed(pieceCount: pieceCount), HeldSocket(isSlow: isSlow))
        let channel = EmbeddedChannel()
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try channel.pipeline.syncOperations.addHandler(socket)
        try channel.pipeline.syncOperations.addHandler(
            MachineHandler(machine, perform: { _ in }, ended: {}))
        return (machine, socket, channel)
    }

    /// A machine that has bytes to send and nothing to say.
    private final class Feed: ConnectionMachine {
        private(set) var pieceCount: Int

        init(pieceCount: Int) { self.pieceCount = pieceCount }

        func nextWrite(at now: NIODeadline) -> ByteBuffer? {
            guard pieceCount > 0 else { return nil }
            pieceCount -= 1
            return ByteBuffer(repeating: 1, count: pieceByteCount)
        }

        func receive(_ bytes: ByteBuffer, at now: NIODeadline) {}
        func inputEnded(at now: NIODeadline) {}
        func timeReached(_ now: NIODeadline) {}
        var deadline: NIODeadline? { nil }
        func nextOutput() -> Never? { nil }
        var wantsInput: Bool { true }
        var phase: ConnectionPhase { .running }
        var isWithinFrame: Bool { false }
        var isUnanswered: Bool { false }
        func acknowledged(_ byteCount: UInt64, at now: NIODeadline) {}
    }

    /// Stands for a socket, and takes what is written one by one when it is slow.
    private final class HeldSocket: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer

        var isSlow: Bool
        /// How many buffers each flush brought.
        private(set) var rounds: [Int] = []
        private var written: [EventLoopPromise<Void>] = []
        private var flushed: [EventLoopPromise<Void>] = []

        init(isSlow: Bool) { self.isSlow = isSlow }

        var isHolding: Bool { !flushed.isEmpty }

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            if let promise { written.append(promise) }
        }

        func flush(context: ChannelHandlerContext) {
            rounds.append(written.count)
            flushed += written
            written = []
            while !isSlow, isHolding { take() }
        }

        /// Takes the oldest buffer.
        func take() { flushed.removeFirst().succeed() }
    }
}
