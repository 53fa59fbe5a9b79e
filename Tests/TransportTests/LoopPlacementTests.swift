import Multiserver
import NIOCore
import NIOPosix
import Testing

@testable import Transport

@Suite("Which loop a connection goes to")
struct LoopPlacementTests {
    private func fill(_ placement: inout LoopPlacement, _ count: Int, shares: [Double]) {
        for _ in 0..<count { placement.joined(placement.current) { shares[$0] } }
    }

    @Test("is the first while that is not busy")
    func first() {
        var placement = LoopPlacement(loopCount: 4)
        fill(&placement, 31, shares: [0.4, 0, 0, 0])
        #expect(placement.counts == [31, 0, 0, 0] && placement.current == 0)
    }

    @Test("is the next once it is busy, and the first again once that is quiet")
    func busy() {
        var placement = LoopPlacement(loopCount: 3)
        fill(&placement, 3, shares: [0.6, 0.6, 0.1])
        #expect(placement.counts == [1, 0, 2], "the one that is busy already is left out")
        fill(&placement, 1, shares: [0.4, 0.6, 0.1])
        #expect(placement.current == 2, "not yet quiet")
        fill(&placement, 1, shares: [0.2, 0.6, 0.1])
        #expect(placement.current == 0)
    }

    @Test("is the least busy where all are")
    func allBusy() {
        var placement = LoopPlacement(loopCount: 3)
        fill(&placement, 1, shares: [0.9, 0.8, 0.7])
        #expect(placement.current == 2)
    }

    @Test("is another one where one has many more, so that thousands are spread")
    func spread() {
        var placement = LoopPlacement(loopCount: 4)
        var turnCount = 0
        for _ in 0..<4000 {
            let before = placement.current
            fill(&placement, 1, shares: [0, 0, 0, 0])
            if placement.current != before { turnCount += 1 }
            #expect((placement.counts.max() ?? 0) - (placement.counts.min() ?? 0) <= LoopPlacement.surplus)
        }
        #expect(placement.counts.allSatisfy { abs($0 - 1000) <= LoopPlacement.surplus })
        #expect(turnCount < 1000, "loops are not changed with every connection")
    }

    @Test("counts those that stay alone")
    func leaving() {
        var placement = LoopPlacement(loopCount: 2)
        for _ in 0..<100 {
            let loop = placement.current
            fill(&placement, 1, shares: [0, 0])
            placement.left(loop)
        }
        #expect(placement.current == 0 && placement.counts == [0, 0])
    }

    @Test("is the only one of a process that has one")
    func alone() {
        var placement = LoopPlacement(loopCount: 1)
        fill(&placement, 100, shares: [1])
        #expect(placement.current == 0)
    }

    @Test("follows what a loop has worked in the last second")
    func load() {
        let start = NIODeadline.uptimeNanoseconds(5_000_000_000)
        var load = LoopLoad(at: start)
        var shares = [load.share(at: start)]
        for step in 1...1000 as ClosedRange<Int64> {
            load.worked(.microseconds(600), until: start + .milliseconds(step))
        }
        for milliseconds in [1000, 1500, 2000, 3_600_000] as [Int64] {
            shares.append(load.share(at: start + .milliseconds(milliseconds)))
        }
        load.worked(.seconds(30), until: start + .seconds(3630))
        shares.append(load.share(at: start + .seconds(3630)))
        let expected = [0, 0.6, 0.3, 0, 0, 1]
        #expect(zip(shares, expected).allSatisfy { abs($0 - $1) < 0.01 }, "\(shares)")
    }

    @Test("is where connections are accepted, one loop at a time")
    func listening() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 3)
        let (accepted, continuation) = AsyncStream.makeStream(of: ObjectIdentifier.self)
        let listener = try await Listener.start(
            over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: group
        ) { channel in
            continuation.yield(ObjectIdentifier(channel.eventLoop))
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        #expect(listener.addresses.count == 1 && listener.port > 0)
        var (loops, channels): ([ObjectIdentifier], [any Channel]) = ([], [])
        var next = accepted.makeAsyncIterator()
        for _ in 0..<40 {
            channels.append(
                try await ClientBootstrap(group: group).connect(host: "127.0.0.1", port: listener.port).get())
            if let loop = await next.next() { loops.append(loop) }
        }
        #expect(Set(loops.prefix(LoopPlacement.surplus)).count == 1)
        #expect(Set(loops).count > 1, "one that has many more is left for another")
        for channel in channels { try await channel.close() }
        await listener.close()
        try await group.shutdownGracefully()
    }

    @Test("is one in the end however many come and go at once: all are accepted", .timeLimit(.minutes(1)))
    func crowd() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 3)
        let listener = try await Listener.start(
            over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: group
        ) { channel in
            channel.eventLoop.execute { channel.close(promise: nil) }
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        let port = listener.port
        try await withThrowingTaskGroup { tasks in
            for _ in 0..<16 {
                tasks.addTask {
                    for _ in 0..<50 {
                        let channel = try await ClientBootstrap(group: group).connect(
                            host: "127.0.0.1", port: port
                        ).get()
                        // The other end closes it once it has accepted it.
                        try await channel.closeFuture.get()
                    }
                }
            }
            try await tasks.waitForAll()
        }
        await listener.close()
        try await group.shutdownGracefully()
    }

    /// NIO's own assertions end the process where a loop is woken for a connection that another has taken.
    @Test("changes while all loops work, and none is woken in vain", .timeLimit(.minutes(1)))
    func changes() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 3)
        let dialling = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let listener = try await Listener.start(
            over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: group
        ) { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Work()) }
        }
        let port = listener.port
        let byte = ByteBuffer(bytes: [0])
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for _ in 0..<64 {
                tasks.addTask {
                    var channels: [any Channel] = []
                    for number in 0..<160 {
                        let channel = try await ClientBootstrap(group: dialling).connect(
                            host: "127.0.0.1", port: port
                        ).get()
                        channel.writeAndFlush(byte, promise: nil)
                        channels.append(channel)
                        if number % 8 == 7 {
                            for channel in channels.prefix(7) { channel.close(promise: nil) }
                        }
                        if number % 8 == 7 { channels.removeFirst(7) }
                    }
                    for channel in channels { channel.close(promise: nil) }
                }
            }
            try await tasks.waitForAll()
        }
        await listener.close()
        try await group.shutdownGracefully()
        try await dialling.shutdownGracefully()
    }

    /// Takes time for what comes, so that a loop learns late of all else.
    private final class Work: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let end = NIODeadline.now() + .microseconds(300)
            while .now() < end {}
        }
    }
}
