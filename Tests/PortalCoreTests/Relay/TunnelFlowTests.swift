import Account
import NIOCore
import PortalCore
import TestSupport
import Testing

@Suite("The flow of a tunnel")
struct TunnelFlowTests {
    @Test("is charged to its tunnel, and released with the last reference to what was charged")
    func charges() {
        let ground = Ground()
        let flow = ground.flow(1)
        var admission: TunnelFlow.Admission? = flow.add(10_000)
        guard case .queued(_, isFull: false)? = admission else {
            Issue.record("there is room")
            return
        }
        #expect(ground.pool.heldCount >= 10_000 && flow.queuedByteCount == 10_000)
        #expect(flow.close() && !flow.close())
        #expect(flow.queuedByteCount == 0 && ground.load.heldByteCount == 0)
        #expect(ground.pool.heldCount >= 10_000, "it is on its way yet")
        admission = nil
        #expect(ground.pool.heldCount == 0)
        guard case .closed = flow.add(1) else {
            Issue.record("the flow is closed")
            return
        }
        #expect(!flow.release(10_000))
    }

    @Test("takes unused memory up to its limit, and ends the pause when one read fits")
    func limit() {
        let ground = Ground()
        let flow = ground.flow(1)
        var charges: [Charge] = []
        while let charge = flow.queue(64 << 10) { charges.append(charge) }
        #expect(flow.queuedByteCount == (34 << 20) + (64 << 10) && flow.isPaused)
        for _ in 0..<4 { #expect(!flow.release(64 << 10)) }
        #expect(flow.release(64 << 10) && !flow.isPaused)
        #expect(!flow.release(64 << 10), "a pause is ended once")
    }

    @Test("stops nobody for a little, though its account has no room for a read")
    func small() {
        let ground = Ground(poolByteCount: 128 << 10)
        let flow = ground.flow(1)
        let little = flow.queue(2000)
        #expect(little != nil && !flow.isPaused)
        let more = flow.queue(20_000)
        #expect(more != nil && flow.isPaused)
        #expect(flow.release(20_000) && !flow.isPaused)
    }

    @Test("stops a thousand that fill at the same time before any is refused")
    func stopsCrowds() {
        let ground = Ground(poolByteCount: 128 << 20)
        let flows = (0..<1000).map { ground.flow(UInt64($0), of: ground.pool.open()) }
        var filling = flows
        var charges: [Charge] = []
        while !filling.isEmpty {
            filling = filling.filter { flow in
                // What was read while there was room goes on in turns, until the queue is full.
                guard case .queued(let charge, let isFull) = flow.add(flow.turnByteCount) else {
                    Issue.record("refused with \(flow.queuedByteCount) queued")
                    return false
                }
                charges.append(charge)
                return !isFull
            }
        }
        let queued = flows.map(\.queuedByteCount)
        #expect((queued.min() ?? 0) >= 16 << 10)
        #expect((queued.max() ?? 0) <= 128 << 10)
    }

    @Test("shares what an endpoint's tunnels may hold among those that fill", arguments: [3, 10, 100])
    func shares(count: Int) {
        let ground = Ground()
        let flows = (0..<count).map { ground.flow(UInt64($0), of: ground.pool.open()) }
        var filling = flows
        var charges: [Charge] = []
        while !filling.isEmpty {
            filling = filling.filter { flow in
                if let charge = flow.queue(64 << 10) { charges.append(charge) }
                return !flow.isPaused
            }
        }
        #expect(!ground.load.isExceeded)
        let queued = flows.map(\.queuedByteCount)
        let (least, most) = (queued.min() ?? 0, queued.max() ?? 0)
        #expect(most - least <= 64 << 10)
        #expect(least >= (ground.load.limitByteCount - count * TunnelFlow.readByteCount) / (count + 1))
    }

    @Test("has a thousand that fill one endpoint's part hand over less at once, so that nobody is cut")
    func crowd() {
        let ground = Ground()
        let flows = (0..<1000).map { ground.flow(UInt64($0), of: ground.pool.open()) }
        #expect(flows.allSatisfy { $0.turnByteCount == 64 << 10 })
        var filling = flows
        var charges: [Charge] = []
        while !filling.isEmpty {
            filling = filling.filter { flow in
                if let charge = flow.queue(flow.turnByteCount) { charges.append(charge) }
                return !flow.isPaused
            }
        }
        #expect(!ground.load.isExceeded && flows.allSatisfy { $0.queuedByteCount >= 16 << 10 })
        for flow in flows { flow.close() }
        #expect(ground.load.heldByteCount == 0)
    }

    @Test("pauses before its account is full, and goes on when others of the account have left room")
    func account() {
        let ground = Ground()
        let causer = ground.pool.open(limit: 1 << 20)
        let (first, second) = (ground.flow(1, of: causer), ground.flow(2, of: causer))
        var charges: [Charge] = []
        while let charge = first.queue(100_000) { charges.append(charge) }
        #expect(first.isPaused && first.queuedByteCount <= 1 << 20)
        charges.removeAll()
        #expect(first.resumeIfRoom() && !first.resumeIfRoom())
        while let charge = second.queue(100_000) { charges.append(charge) }
        #expect(second.isPaused)
        guard case .refused = first.add(1 << 19) else {
            Issue.record("the account has no room")
            return
        }
        guard case .queued(let charge, isFull: true) = first.overdraw(1 << 19) else {
            Issue.record("what takes the place of something else is charged all the same")
            return
        }
        #expect(charge.count == 1 << 19)
    }

    @Test("lets a paused sender go on once its queue is empty, however full the others' are")
    func resumesEmpty() {
        let ground = Ground()
        let causer = ground.pool.open(limit: 1 << 20)
        let (other, flow) = (ground.flow(1, of: causer), ground.flow(2, of: causer))
        var charges: [Charge] = []
        while let charge = other.queue(100_000) { charges.append(charge) }
        guard case .queued(_, isFull: true) = flow.add(10_000) else {
            Issue.record("there is little room")
            return
        }
        #expect(!flow.release(5000))
        #expect(flow.release(5000))
    }

    @Test("counts right when senders, receivers and ends race", .timeLimit(.minutes(1)))
    func races() async {
        let ground = Ground()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<8 as Range<UInt64> {
                let flow = ground.flow(number, limit: 5000)
                group.addTask {
                    for _ in 0..<2000 { _ = flow.add(100) }
                }
                group.addTask {
                    for _ in 0..<1000 { _ = flow.release(100) }
                    flow.close()
                }
            }
        }
        #expect(ground.load.heldByteCount == 0 && ground.pool.heldCount == 0)
    }
}

/// A pool, and one endpoint's part of it.
struct Ground {
    let pool: Account
    let load = EndpointLoad(limitByteCount: 64 << 20)

    init(poolByteCount: Int = 256 << 20) { pool = .bytes(limit: poolByteCount) }

    func flow(
        _ number: UInt64, of causer: Account? = nil, limit: Int = TunnelFlow.limitByteCount
    ) -> TunnelFlow {
        let causer = causer ?? pool.open()
        return TunnelFlow(
            tunnel: TunnelID(number), account: causer.open(), causer: causer, load: load,
            limitByteCount: limit)
    }
}

extension TunnelFlow {
    /// Adds bytes unless the sender has to wait.
    func queue(_ byteCount: Int) -> Charge? {
        guard !isPaused, case .queued(let charge, _) = add(byteCount) else { return nil }
        return charge
    }
}
