import Cluster
import NIOCore
import Testing

@Suite("Cluster: who is there")
struct MembershipTests {
    private let other = MachineID(high: 0, low: 200)
    private let third = MachineID(high: 0, low: 300)

    private func events(_ outputs: [ClusterOutput]) -> [ClusterEvent] {
        outputs.compactMap { output in
            guard case .event(let event) = output else { return nil }
            return event
        }
    }

    @Test("serves alone after it has listened, and says so in its heartbeat")
    func alone() {
        let world = SoleMachine()
        world.pass(.milliseconds(2_400))
        #expect(!world.machine.isServing)
        world.pass(.milliseconds(300))
        #expect(world.machine.isServing)
        #expect(events(world.take()) == [.serving])
        world.pass(.seconds(10))
        let beats = world.takeMessages()
        #expect((9...11).contains(beats.count))
    }

    @Test("counts a machine only when it has answered a query of ours")
    func counting() {
        let world = SoleMachine()
        world.pass(.seconds(3))
        _ = world.take()
        world.say(SoleMachine.heartbeat(), from: other)
        let claims = ClaimBatch(number: 1, claims: [Claim(world.key(1), world.time, .explicit)])
        world.say(.claims(claims), from: other)
        #expect(world.machine.listedKeys == [])
        #expect(world.machine.counts.strange == 1)
        // A list that nobody asked for, as a repeated one is.
        world.say(
            .listPart(ListPart.parts(of: claims.claims, answering: 99, at: 1, isOverfull: false)[0]),
            from: other)
        #expect(world.machine.machines.map(\.isCounted) == [false])
        world.answerList(of: other, claimNumber: 1, claims: claims.claims)
        #expect(world.machine.machines.map(\.isCounted) == [true])
        #expect(world.machine.listedKeys == [world.key(1)])
    }

    @Test("forgets a machine that never answers")
    func silentStranger() {
        let world = SoleMachine()
        world.say(SoleMachine.heartbeat(), from: other)
        world.pass(.seconds(11))
        #expect(world.machine.machines.isEmpty)
    }

    @Test("drops what came before, what is too old, and what is too far ahead, and counts it")
    func dropped() {
        let world = SoleMachine()
        world.meet(other)
        let before = world.machine.counts
        let late = HybridTime(milliseconds: world.time.milliseconds - 10_001)
        let early = HybridTime(milliseconds: world.time.milliseconds + 10_001)
        world.say(SoleMachine.heartbeat(), from: other, at: late)
        world.say(SoleMachine.heartbeat(), from: other, at: early)
        let envelope = ClusterEnvelope(
            sender: other, number: 1, time: world.time, message: SoleMachine.heartbeat())
        world.receive(envelope)
        #expect(world.machine.counts.stale == before.stale + 1)
        #expect(world.machine.counts.ahead == before.ahead + 1)
        #expect(world.machine.counts.repeated == before.repeated + 1)
        #expect(world.machine.counts.taken == before.taken)
    }

    @Test("suspects a machine after three seconds, and holds it for gone when its link breaks")
    func suspectAndGone() {
        let world = SoleMachine()
        let claim = Claim(world.key(1), world.time, .explicit)
        world.meet(other, claimNumber: 1, claims: [claim])
        world.pass(.milliseconds(200))
        #expect(world.take().contains { if case .dial(other, _) = $0 { true } else { false } })
        world.machine.linkChanged(to: other, isUp: true, at: world.now)
        world.pass(.seconds(2))
        #expect(events(world.take()).filter { $0 != .serving } == [])
        // Bytes on the link without a heartbeat: suspect, and not gone.
        for _ in 0..<20 {
            world.pass(.milliseconds(200))
            world.machine.linkHeard(from: other, at: world.now)
        }
        #expect(events(world.take()).filter { $0 != .serving } == [.suspect(other)])
        #expect(world.machine.listedKeys == [world.key(1)])
        world.say(SoleMachine.heartbeat(claimNumber: 1, claims: [claim]), from: other, over: .link)
        #expect(events(world.take()) == [.recovered(other)])
        world.pass(.seconds(4))
        #expect(events(world.take()) == [.suspect(other), .gone(other)])
        #expect(world.machine.listedKeys == [])
        #expect(world.machine.machines.isEmpty)
    }

    @Test("forgives silence of a time in which this process stood still")
    func ownStall() {
        let world = SoleMachine()
        world.meet(other)
        world.pass(.seconds(1))
        _ = world.take()
        world.now = world.now + .seconds(20)
        world.machine.timePassed(at: world.now)
        #expect(events(world.take()).filter { $0 != .serving } == [])
        world.pass(.seconds(4))
        #expect(events(world.take()).contains(.gone(other)))
    }

    @Test("holds the earlier of two machines at one address for gone")
    func successor() {
        let world = SoleMachine()
        world.meet(other)
        world.say(SoleMachine.heartbeat(address: "same:1", startedAt: HybridTime(5)), from: other)
        world.say(SoleMachine.heartbeat(address: "same:1", startedAt: HybridTime(6)), from: third)
        world.answerList(of: third)
        world.pass(.milliseconds(200))
        #expect(world.machine.machines.map(\.machine) == [third])
        #expect(events(world.take()).contains(.gone(other)))
    }

    @Test("does not serve when all others have another clock, and serves when it is mended")
    func clocks() {
        let world = SoleMachine()
        for second in 1...4 {
            let ahead = HybridTime(milliseconds: world.time.milliseconds + 3_600_000)
            world.say(SoleMachine.heartbeat(), from: other, at: ahead)
            world.pass(.seconds(1))
            #expect(!world.machine.isServing, "second \(second)")
        }
        let seen = events(world.take())
        #expect(seen.contains(.clocksApart(other, milliseconds: 3_600_000)))
        #expect(seen.contains(.notServing))
        world.pass(.seconds(6))
        #expect(world.machine.isServing)
    }

    @Test("starts all the same where old messages are only repeated")
    func repeatedClocks() {
        let world = SoleMachine()
        let old = ClusterEnvelope(
            sender: other, number: 7, time: HybridTime(milliseconds: SoleMachine.wall - 3_600_000),
            message: SoleMachine.heartbeat())
        for _ in 0..<5 {
            world.receive(old)
            world.pass(.seconds(1))
        }
        #expect(world.machine.isServing)
    }

    @Test("takes links where NATS is away, and tells others what they miss there")
    func links() {
        let world = SoleMachine(number: 1)
        world.meet(other)
        world.machine.linkChanged(to: other, isUp: true, at: world.now)
        world.machine.engineChanged(isUp: false, at: world.now)
        world.pass(.seconds(1))
        _ = world.take()
        _ = world.announce(world.key(3), .explicit)
        world.pass(.milliseconds(20))
        let outputs = world.take()
        #expect(!outputs.contains { if case .publish = $0 { true } else { false } })
        #expect(
            outputs.contains {
                guard case .send(let envelope, other) = $0, case .claims(let batch) = envelope.message else {
                    return false
                }
                return batch.claims.map(\.key) == [world.key(3)]
            })
    }
}
