import NIOCore
import Relay
import TestSupport
import Testing

@Suite("Outbound queues")
struct OutboundQueuesTests {
    private static let start = NIODeadline.uptimeNanoseconds(0)

    private let budget = MemoryBudget()

    private func flow(_ number: UInt64, limit: Int = TunnelFlow.limitByteCount) -> TunnelFlow {
        budget.makeFlow(for: TunnelID(number), limitByteCount: limit)
    }

    /// Queues a batch as the sender and the receiver together do.
    private func queue(
        _ batch: Int, _ byteCount: Int, to flow: TunnelFlow, of queues: inout OutboundQueues<Int>,
        at now: NIODeadline = start
    ) {
        _ = flow.add(byteCount, at: now)
        queues.append(batch, byteCount: byteCount, to: flow.tunnel, at: now)
    }

    @Test("give tunnels with large and with small batches the same share", arguments: 0..<20 as Range<UInt64>)
    func fairness(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var queues = OutboundQueues<Int>()
        for (number, size) in [500, 20_000, 64 << 10].enumerated() {
            let flow = flow(UInt64(number))
            queues.insert(flow)
            var rest = 2 << 20
            while rest > 0 {
                let byteCount = Int.random(in: size / 2...size, using: &random)
                queue(byteCount, byteCount, to: flow, of: &queues)
                rest -= byteCount
            }
        }
        var sent = [0, 0, 0]
        while sent.reduce(0, +) < 4 << 20, let turn = queues.next(at: Self.start) {
            guard case .batch(let tunnel, let byteCount, _) = turn else { break }
            sent[Int(tunnel.value)] += byteCount
        }
        let spread = (sent.max() ?? 0) - (sent.min() ?? 0)
        #expect(spread <= 2 * OutboundQueues<Int>.quantumByteCount)
    }

    @Test("send each tunnel's batches in order, then its end, then nothing")
    func order() {
        var queues = OutboundQueues<Int>()
        let flows = [flow(1), flow(2)]
        for flow in flows { queues.insert(flow) }
        for batch in 0..<10 { queue(batch, 10_000, to: flows[batch % 2], of: &queues) }
        queues.appendEnd(message: "over", to: TunnelID(1))
        queues.appendEnd(message: "too late", to: TunnelID(1))
        queue(99, 10_000, to: flows[0], of: &queues)
        queues.appendEnd(message: nil, to: TunnelID(2))

        var batches: [TunnelID: [Int]] = [:]
        var ends: [TunnelID: String] = [:]
        while let turn = queues.next(at: Self.start) {
            switch turn {
            case .batch(let tunnel, let batch, _):
                batches[tunnel, default: []].append(batch)
                #expect(ends[tunnel] == nil)
            case .end(let tunnel, let message):
                #expect(ends[tunnel] == nil)
                ends[tunnel] = message ?? "plain"
            }
        }
        #expect(batches == [TunnelID(1): [0, 2, 4, 6, 8], TunnelID(2): [1, 3, 5, 7, 9]])
        #expect(ends == [TunnelID(1): "over", TunnelID(2): "plain"])
        #expect(queues.isEmpty && budget.usedByteCount == 0)
        #expect(flows[0].isClosed && flows[1].isClosed)
    }

    @Test("send a batch that is longer than a turn, and let others go first")
    func longBatch() {
        var queues = OutboundQueues<Int>()
        let (long, short) = (flow(1), flow(2))
        queues.insert(long)
        queues.insert(short)
        queue(0, 1 << 20, to: long, of: &queues)
        for batch in 1...20 { queue(batch, 64 << 10, to: short, of: &queues) }
        var order: [TunnelID] = []
        while case .batch(let tunnel, _, _)? = queues.next(at: Self.start) { order.append(tunnel) }
        #expect(order.firstIndex(of: TunnelID(1)) == 15)
        #expect(order.count == 21)
    }

    @Test("drop what waits on a removed tunnel and give its bytes back")
    func removal() {
        var queues = OutboundQueues<Int>()
        let flow = flow(1)
        queues.insert(flow)
        queue(0, 1000, to: flow, of: &queues)
        queues.remove(TunnelID(1))
        #expect(queues.isEmpty && queues.next(at: Self.start) == nil)
        #expect(budget.usedByteCount == 0)
        #expect(flow.add(1, at: Self.start) == .closed)
        queues.append(1, byteCount: 1, to: TunnelID(1), at: Self.start)
        #expect(queues.isEmpty && budget.usedByteCount == 0)
    }

    @Test("resume the sender once, when half is sent")
    func resume() {
        var queues = OutboundQueues<Int>()
        let flow = flow(1, limit: 1000)
        queues.insert(flow)
        for batch in 0..<10 { queue(batch, 100, to: flow, of: &queues) }
        #expect(!flow.isPaused)
        #expect(flow.add(100, at: Self.start) == .full)
        queues.append(10, byteCount: 100, to: TunnelID(1), at: Self.start)
        var resumed: [Int] = []
        while case .batch(_, _, let resumesSender)? = queues.next(at: Self.start) {
            if resumesSender { resumed.append(flow.queuedByteCount) }
        }
        #expect(resumed == [500])
        #expect(!flow.isPaused)
    }

    @Test("call a tunnel stuck after five seconds without progress while its sender waits, not before")
    func stuck() {
        var queues = OutboundQueues<Int>()
        let (full, idle) = (flow(1, limit: 1000), flow(2))
        queues.insert(full)
        queues.insert(idle)
        queue(0, 900, to: full, of: &queues)
        queue(0, 900, to: idle, of: &queues)
        #expect(queues.stuckDeadline == nil)
        queue(1, 900, to: full, of: &queues, at: Self.start + .seconds(1))
        #expect(queues.stuckDeadline == Self.start + .seconds(6))

        // 900 of 1800 go: not yet half of the limit, so the sender still waits, but there is progress.
        guard case .batch(TunnelID(1), _, _)? = queues.next(at: Self.start + .seconds(4)) else {
            Issue.record("the first that came goes first")
            return
        }
        #expect(queues.stuck(at: Self.start + .seconds(8)).isEmpty)
        #expect(queues.stuckDeadline == Self.start + .seconds(9))
        #expect(queues.stuck(at: Self.start + .seconds(9)) == [TunnelID(1)])
        while queues.next(at: Self.start + .seconds(9)) != nil {}
        #expect(queues.stuckDeadline == nil)
    }

    @Test("call no tunnel stuck whose sender has ended")
    func stuckBeforeTheEnd() {
        var queues = OutboundQueues<Int>()
        let flow = flow(1, limit: 1000)
        queues.insert(flow)
        for batch in 0..<4 { queue(batch, 900, to: flow, of: &queues) }
        #expect(queues.stuckDeadline != nil)
        queues.appendEnd(message: nil, to: TunnelID(1))
        _ = queues.next(at: Self.start)
        #expect(flow.isPaused && queues.stuckDeadline == nil)
    }

    @Test("let a stuck tunnel's sender go on when others have left room meanwhile")
    func stuckAndResumed() {
        var queues = OutboundQueues<Int>()
        let flow = flow(1)
        queues.insert(flow)
        let others = (2..<50 as Range<UInt64>).map { self.flow($0) }
        for other in others { while other.add(1 << 20, at: Self.start) == .queued {} }
        for batch in 0..<4 { queue(batch, 64 << 10, to: flow, of: &queues) }
        #expect(queues.stuck(at: Self.start + .seconds(5)) == [TunnelID(1)])
        var isResumed = queues.resumeIfRoom(TunnelID(1))
        #expect(!isResumed)
        for other in others { other.close() }
        isResumed = queues.resumeIfRoom(TunnelID(1))
        #expect(isResumed && !flow.isPaused && queues.stuckDeadline == nil)
    }
}
