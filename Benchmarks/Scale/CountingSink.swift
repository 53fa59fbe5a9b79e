internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A service that takes bytes from many connections and counts them for each.
final class CountingSink: Sendable {
    /// The connections of one round.
    final class Connections: Sendable {
        fileprivate final class Counter: Sendable {
            let byteCount = Atomic(0)
            let hasEnded = Atomic(false)
        }

        private let counters = Mutex<[Counter]>([])

        /// What each has brought so far, in the order in which they came.
        var byteCounts: [Int] { counters.withLock { $0.map { $0.byteCount.load(ordering: .relaxed) } } }

        fileprivate func add() -> Counter {
            let counter = Counter()
            counters.withLock { $0.append(counter) }
            return counter
        }

        /// Waits until so many have come.
        func wait(for count: Int) async throws {
            try await wait { $0.count >= count }
        }

        /// Waits until all have ended.
        func waitForEnds() async throws {
            try await wait { $0.allSatisfy { $0.hasEnded.load(ordering: .relaxed) } }
        }

        private func wait(until isSo: ([Counter]) -> Bool) async throws {
            let deadline = ContinuousClock.now + .seconds(30)
            while !counters.withLock({ isSo($0) }) {
                guard ContinuousClock.now < deadline else {
                    throw Stage.Failure(description: "the tunnels' connections do not come, or do not end")
                }
                try await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channel: any Channel
    private let current: CurrentRound

    init() async throws {
        let current = CurrentRound()
        self.current = current
        channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 65536, maximum: 256 << 10)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let counter = current.value.withLock { $0 }.add()
                    try channel.pipeline.syncOperations.addHandler(CountingHandler(counter))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    /// The port to connect to.
    var port: UInt16 { UInt16(clamping: channel.localAddress?.port ?? 0) }

    /// Counts anew.
    func beginRound() -> Connections {
        let connections = Connections()
        current.value.withLock { $0 = connections }
        return connections
    }

    /// Takes no more.
    func end() async { try? await group.shutdownGracefully() }
}

/// The round that new connections belong to.
private final class CurrentRound: Sendable {
    let value = Mutex(CountingSink.Connections())
}

private final class CountingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let counter: CountingSink.Connections.Counter

    init(_ counter: CountingSink.Connections.Counter) { self.counter = counter }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        counter.byteCount.add(unwrapInboundIn(data).readableBytes, ordering: .relaxed)
    }

    func channelInactive(context: ChannelHandlerContext) { counter.hasEnded.store(true, ordering: .relaxed) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
