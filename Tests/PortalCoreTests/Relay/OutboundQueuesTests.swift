import Account
import NIOCore
import PortalCore
import TestSupport
import Testing

/// A batch of the tests: only its sizes count.
struct TestBatch: QueuedBatch {
    var number: Int
    var charge: Charge?
    var turnByteCount: Int
    var isSmall: Bool { turnByteCount < 1000 }
    var heldByteCount: Int { charge?.count ?? 0 }
    var wireByteCount: Int { turnByteCount }

    mutating func join(_ next: borrowing TestBatch) -> Bool {
        guard turnByteCount + next.turnByteCount <= 1000,
            charge?.change(to: turnByteCount + next.turnByteCount) == true
        else { return false }
        turnByteCount += next.turnByteCount
        return true
    }
}

@Suite("Outbound queues")
struct OutboundQueuesTests {
    private static let start = NIODeadline.uptimeNanoseconds(0)

    private let ground = Ground()

    /// Queues a batch as the sender and the receiver together do.
    private func queue(
        _ batch: Int, _ byteCount: Int, to flow: TunnelFlow, of queues: inout OutboundQueues<TestBatch>,
        at now: NIODeadline = start
    ) {
        guard case .queued(let charge, _) = flow.add(byteCount) else { return }
        queues.append(
            TestBatch(number: batch, charge: charge, turnByteCount: byteCount), to: flow.tunnel, at: now)
    }

    /// Sends so many bytes; how many each tunnel has sent.
    private func send(_ limit: Int, of queues: inout OutboundQueues<TestBatch>) -> [TunnelID: Int] {
        var sent: [TunnelID: Int] = [:]
        while sent.values.reduce(0, +) < limit, let turn = queues.next(at: Self.start) {
            guard case .batch(let tunnel, let batch, _) = turn else { break }
            sent[tunnel, default: 0] += batch.turnByteCount
        }
        return sent
    }

    @Test("leave nothing charged when all goes, also what waited for its turn")
    func release() {
        let causer = ground.pool.open()
        do {
            var queues = OutboundQueues<TestBatch>()
            for number in 0..<3 {
                let flow = ground.flow(UInt64(number), of: causer)
                queues.insert(flow)
                queue(number, 50_000, to: flow, of: &queues)
            }
            #expect(ground.pool.heldCount >= 150_000)
            queues.removeAll()
        }
        #expect(ground.pool.heldCount == 0)
    }

    @Test("give tunnels with large and with small batches the same share", arguments: 0..<20 as Range<UInt64>)
    func fairness(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var queues = OutboundQueues<TestBatch>()
        let causer = ground.pool.open()
        for (number, size) in [500, 20_000, 64 << 10].enumerated() {
            let flow = ground.flow(UInt64(number), of: seed % 2 == 0 ? causer : nil)
            queues.insert(flow)
            var rest = 2 << 20
            while rest > 0 {
                let byteCount = Int.random(in: size / 2...size, using: &random)
                queue(0, byteCount, to: flow, of: &queues)
                rest -= byteCount
            }
        }
        let sent = send(4 << 20, of: &queues)
        let spread = (sent.values.max() ?? 0) - (sent.values.min() ?? 0)
        #expect(spread <= 2 * OutboundQueues<TestBatch>.quantumByteCount)
    }

    @Test("give accounts the same share, however many tunnels they have")
    func accounts() {
        var queues = OutboundQueues<TestBatch>()
        let (many, one) = (ground.pool.open(), ground.pool.open())
        for number in 0..<50 as Range<UInt64> {
            let flow = ground.flow(number, of: many)
            queues.insert(flow)
            for batch in 0..<4 { queue(batch, 64 << 10, to: flow, of: &queues) }
        }
        let flow = ground.flow(99, of: one)
        queues.insert(flow)
        for batch in 0..<100 { queue(batch, 10_000, to: flow, of: &queues) }
        let sent = send(1 << 20, of: &queues)
        let own = sent[TunnelID(99)] ?? 0
        #expect(abs(own - (1 << 19)) <= 64 << 10)
        #expect((9...10).contains(sent.count), "the other account's tunnels take turns among themselves")
    }

    @Test(
        "send a few bytes in front of what others have, of the same account and of another",
        arguments: [true, false])
    func fewBytes(isSameAccount: Bool) {
        var queues = OutboundQueues<TestBatch>()
        let causer = ground.pool.open()
        let (bulk, typing) = (ground.flow(1, of: causer), ground.flow(2, of: isSameAccount ? causer : nil))
        queues.insert(bulk)
        queues.insert(typing)
        for batch in 0..<8 { queue(batch, 32 << 10, to: bulk, of: &queues) }
        guard case .batch(TunnelID(1), _, _)? = queues.next(at: Self.start) else {
            Issue.record("what is alone goes")
            return
        }
        queue(100, 512, to: typing, of: &queues)
        guard case .batch(TunnelID(2), let batch, _)? = queues.next(at: Self.start) else {
            Issue.record("in the midst of the other's turn")
            return
        }
        #expect(batch.number == 100)
        // More of them belongs to that turn; the next waits for the rest of the other's, and for no more.
        queue(101, 512, to: typing, of: &queues)
        var order: [TunnelID] = []
        while order.count < 4, case .batch(let tunnel, _, _)? = queues.next(at: Self.start) {
            order.append(tunnel)
            if order.count == 2 { queue(102, 512, to: typing, of: &queues) }
        }
        #expect(order == [2, 1, 2, 1].map { TunnelID($0) })
    }

    @Test("send each tunnel's batches in order, then its end, then nothing")
    func order() {
        var queues = OutboundQueues<TestBatch>()
        let flows = [ground.flow(1), ground.flow(2)]
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
                batches[tunnel, default: []].append(batch.number)
                #expect(ends[tunnel] == nil)
            case .end(let tunnel, let message):
                #expect(ends[tunnel] == nil)
                ends[tunnel] = message ?? "plain"
            }
        }
        #expect(batches == [TunnelID(1): [0, 2, 4, 6, 8], TunnelID(2): [1, 3, 5, 7, 9]])
        #expect(ends == [TunnelID(1): "over", TunnelID(2): "plain"])
        #expect(queues.isEmpty && ground.load.heldByteCount == 0)
        #expect(flows[0].isClosed && flows[1].isClosed && ground.pool.heldCount == 0)
    }

    @Test("send a batch that is longer than a turn, and let others go first")
    func longBatch() {
        var queues = OutboundQueues<TestBatch>()
        let (long, short) = (ground.flow(1), ground.flow(2))
        queues.insert(long)
        queues.insert(short)
        queue(0, 1 << 20, to: long, of: &queues)
        for batch in 1...20 { queue(batch, 64 << 10, to: short, of: &queues) }
        var order: [TunnelID] = []
        while case .batch(let tunnel, _, _)? = queues.next(at: Self.start) { order.append(tunnel) }
        #expect(order.firstIndex(of: TunnelID(1)) == 15)
        #expect(order.count == 21)
    }

    @Test("put small batches of one tunnel together, and pay for one")
    func joining() {
        var queues = OutboundQueues<TestBatch>()
        let flow = ground.flow(1)
        queues.insert(flow)
        for batch in 0..<25 { queue(batch, 100, to: flow, of: &queues) }
        #expect(flow.queuedByteCount == 2500)
        var numbers: [Int] = []
        while case .batch(_, let batch, _)? = queues.next(at: Self.start) {
            #expect(batch.heldByteCount == batch.turnByteCount)
            numbers.append(batch.number)
        }
        #expect(numbers == [0, 10, 20])
        #expect(flow.queuedByteCount == 0 && ground.load.heldByteCount == 0)
        #expect(ground.pool.heldCount == 0)
    }

    @Test("drop what waits on a removed tunnel and give its bytes back")
    func removal() {
        var queues = OutboundQueues<TestBatch>()
        let flow = ground.flow(1)
        queues.insert(flow)
        queue(0, 1000, to: flow, of: &queues)
        queues.remove(TunnelID(1))
        #expect(queues.isEmpty && flow.isClosed)
        #expect(ground.load.heldByteCount == 0 && ground.pool.heldCount == 0)
        queue(1, 1, to: flow, of: &queues)
        #expect(queues.isEmpty && ground.load.heldByteCount == 0)
    }

    @Test("give the right turns while tunnels come and go", arguments: 0..<20 as Range<UInt64>)
    func churn(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var queues = OutboundQueues<TestBatch>()
        let causers = (0..<3).map { _ in ground.pool.open() }
        var expected: [TunnelID: [Int]] = [:]
        var flows: [TunnelFlow] = []
        for step in 0..<500 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                let flow = ground.flow(UInt64(step), of: causers.randomElement(using: &random))
                flows.append(flow)
                queues.insert(flow)
            case 1 where !flows.isEmpty:
                let flow = flows.remove(at: Int.random(in: 0..<flows.count, using: &random))
                expected[flow.tunnel] = nil
                queues.remove(flow.tunnel)
            case 2, 3, 4:
                guard let flow = flows.randomElement(using: &random) else { continue }
                queue(step, Int.random(in: 1000...100_000, using: &random), to: flow, of: &queues)
                expected[flow.tunnel, default: []].append(step)
            default:
                guard case .batch(let tunnel, let batch, _)? = queues.next(at: Self.start) else {
                    #expect(expected.values.joined().isEmpty)
                    continue
                }
                #expect(expected[tunnel]?.removeFirst() == batch.number)
            }
        }
        while case .batch(let tunnel, let batch, _)? = queues.next(at: Self.start) {
            #expect(expected[tunnel]?.removeFirst() == batch.number)
        }
        #expect(expected.values.joined().isEmpty && queues.isEmpty)
        #expect(ground.load.heldByteCount == 0 && ground.pool.heldCount == 0)
    }

    @Test("call a tunnel stuck after thirty seconds without progress while its sender waits, not before")
    func stuck() {
        var queues = OutboundQueues<TestBatch>()
        let (full, idle) = (ground.flow(1, limit: 2000), ground.flow(2))
        queues.insert(full)
        queues.insert(idle)
        queue(0, 1500, to: full, of: &queues)
        queue(0, 1500, to: idle, of: &queues)
        #expect(queues.stuckDeadline == nil)
        queue(1, 1500, to: full, of: &queues, at: Self.start + .seconds(1))
        #expect(queues.stuckDeadline == Self.start + .seconds(31))

        // 1500 of 3000 go: no room yet for a read, so the sender still waits, but there is progress.
        guard case .batch(TunnelID(1), _, _)? = queues.next(at: Self.start + .seconds(20)) else {
            Issue.record("the first that came goes first")
            return
        }
        var stuck = queues.stuck(at: Self.start + .seconds(40))
        #expect(stuck.isEmpty && queues.stuckDeadline == Self.start + .seconds(50))
        stuck = queues.stuck(at: Self.start + .seconds(50))
        #expect(stuck == [TunnelID(1)])
        while queues.next(at: Self.start + .seconds(50)) != nil {}
        #expect(queues.stuckDeadline == nil)
    }

    @Test("call no tunnel stuck whose sender has ended")
    func stuckBeforeTheEnd() {
        var queues = OutboundQueues<TestBatch>()
        let flow = ground.flow(1, limit: 2000)
        queues.insert(flow)
        for batch in 0..<4 { queue(batch, 1500, to: flow, of: &queues) }
        #expect(queues.stuckDeadline != nil)
        queues.appendEnd(message: nil, to: TunnelID(1))
        _ = queues.next(at: Self.start)
        #expect(flow.isPaused && queues.stuckDeadline == nil)
    }

    @Test("call no tunnel stuck whose sender has found room by itself")
    func resumedBySender() {
        var queues = OutboundQueues<TestBatch>()
        let causer = ground.pool.open(limit: 1 << 20)
        let (other, flow) = (ground.flow(1, of: causer), ground.flow(2, of: causer))
        queues.insert(flow)
        var charges: [Charge] = []
        while let charge = other.queue(100_000) { charges.append(charge) }
        queue(0, 5000, to: flow, of: &queues)
        #expect(flow.isPaused && queues.stuckDeadline == Self.start + .seconds(30))
        charges.removeAll()
        #expect(flow.resumeIfRoom())
        let stuck = queues.stuck(at: Self.start + .seconds(30))
        #expect(stuck.isEmpty && queues.stuckDeadline == nil)
    }
}
