import NIOCore
import Relay
import TestSupport
import Testing

@Suite("The memory budget")
struct MemoryBudgetTests {
    private func time(_ seconds: Int64) -> NIODeadline {
        .uptimeNanoseconds(0) + .seconds(seconds)
    }

    @Test("cuts the tunnel with the oldest byte, and no more than it must")
    func cutsOldest() {
        let budget = MemoryBudget(limitByteCount: 1000)
        let flows = (0..<4).map { budget.makeFlow(for: TunnelID($0)) }
        for (flow, second) in zip(flows, [3, 1, 2, 4] as [Int64]) { _ = flow.add(300, at: time(second)) }
        #expect(budget.isExceeded && budget.usedByteCount == 1200)
        #expect(budget.cutOldest() == [TunnelID(1)])
        #expect(flows.map(\.isClosed) == [false, true, false, false])
        #expect(budget.usedByteCount == 900)
        #expect(budget.cutOldest().isEmpty)
        #expect(flows[3].add(500, at: time(5)) == .queued)
        #expect(budget.cutOldest() == [TunnelID(2), TunnelID(0)])
    }

    @Test("knows the oldest byte by what is left, not by what has gone")
    func oldestIsRenewed() {
        let budget = MemoryBudget(limitByteCount: 1000)
        let (first, second) = (budget.makeFlow(for: TunnelID(1)), budget.makeFlow(for: TunnelID(2)))
        _ = first.add(400, at: time(1))
        _ = second.add(400, at: time(2))
        _ = first.add(400, at: time(3))
        #expect(!first.release(400, next: time(3)))
        _ = first.add(400, at: time(4))
        #expect(budget.cutOldest() == [TunnelID(2)])
    }

    @Test("takes nothing from a closed flow, and gives nothing back twice")
    func closed() {
        let budget = MemoryBudget(limitByteCount: 1000)
        let flow = budget.makeFlow(for: TunnelID(1))
        #expect(flow.add(100, at: time(1)) == .queued)
        #expect(flow.close())
        #expect(!flow.close())
        #expect(!flow.release(100, next: nil))
        #expect(flow.add(100, at: time(2)) == .closed)
        #expect(budget.usedByteCount == 0 && flow.queuedByteCount == 0 && flow.oldest == nil)
    }

    @Test("pauses many senders at equal shares before anybody must be cut", arguments: [10, 100, 1000])
    func shares(count: Int) {
        let budget = MemoryBudget()
        let flows = (0..<count).map { budget.makeFlow(for: TunnelID(UInt64($0))) }
        var fillingFlows = flows
        while !fillingFlows.isEmpty {
            fillingFlows = fillingFlows.filter { $0.add(64 << 10, at: time(1)) == .queued }
        }
        #expect(!budget.isExceeded)
        let queued = flows.map(\.queuedByteCount)
        let (least, most) = (queued.min() ?? 0, queued.max() ?? 0)
        #expect(most - least <= 64 << 10)
        #expect(least >= min(TunnelFlow.limitByteCount, MemoryBudget.defaultLimitByteCount / 2 / (count + 1)))
    }

    @Test("lets a paused sender go on once its queue is empty, however full the others' are")
    func resumesEmpty() {
        let budget = MemoryBudget()
        let full = (0..<40).map { budget.makeFlow(for: TunnelID(UInt64($0))) }
        for flow in full { while flow.add(64 << 10, at: time(1)) == .queued {} }
        let flow = budget.makeFlow(for: TunnelID(99))
        #expect(flow.add(64 << 10, at: time(2)) == .queued)
        #expect(flow.add(64 << 10, at: time(2)) == .full)
        #expect(!flow.release(64 << 10, next: time(2)))
        #expect(flow.release(64 << 10, next: nil))
    }

    @Test("counts right when senders, receivers and cuts race", .timeLimit(.minutes(1)))
    func races() async {
        let budget = MemoryBudget(limitByteCount: 20_000)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<8 as Range<UInt64> {
                let flow = budget.makeFlow(for: TunnelID(number), limitByteCount: 5000)
                group.addTask {
                    for step in 0..<2000 as Range<Int64> {
                        _ = flow.add(100, at: .uptimeNanoseconds(0) + .nanoseconds(step))
                        if budget.isExceeded { _ = budget.cutOldest() }
                    }
                }
                group.addTask {
                    for _ in 0..<1000 { _ = flow.release(100, next: nil) }
                    flow.close()
                }
            }
        }
        #expect(budget.usedByteCount == 0)
    }
}
