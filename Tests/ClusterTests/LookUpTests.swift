import Cluster
import NIOCore
import Testing
import TypedSodium

@Suite("Cluster: look-ups")
struct LookUpTests {
    private let others = (1...3).map { MachineID(high: 9, low: $0) }

    private func world(_ count: Int) -> SoleMachine {
        let world = SoleMachine()
        for other in others.prefix(count) { world.meet(other) }
        world.pass(.milliseconds(10))
        _ = world.take()
        return world
    }

    private func found(_ time: UInt64, _ key: PublicKey) -> FoundAnnouncer {
        FoundAnnouncer(key, at: HybridTime(time))
    }

    @Test("gathers for a millisecond, 64 a question")
    func gathering() {
        let world = world(1)
        for byte in 0..<100 {
            _ = world.lookUp(.id(world.key(UInt8(byte))))
        }
        world.pass(.zero)
        #expect(world.takeQuestion()?.targets.count == 64)
        world.pass(.microseconds(900))
        #expect(world.takeQuestion() == nil)
        world.pass(.microseconds(100))
        #expect(world.takeQuestion()?.targets.count == 36)
    }

    @Test("misses when all have answered that they have nothing")
    func miss() throws {
        let world = world(3)
        let id = try #require(world.lookUp(.nobody))
        world.pass(.milliseconds(1))
        let question = try #require(world.takeQuestion())
        // What is nobody is not found, whatever is answered.
        for (index, other) in others.enumerated() {
            #expect(world.take().isEmpty)
            world.say(
                .answer(Answer(to: question, [index == 1 ? [found(5, world.key(1))] : []])), from: other)
        }
        #expect(world.take() == [.missed(id)])
        #expect(world.machine.lookUpCount == 0)
    }

    @Test("tries the latest first, then the others, then asks once more, then misses")
    func retries() throws {
        let world = world(3)
        let id = try #require(
            world.lookUp(.token(FixedBytes(), by: nil)))
        world.pass(.milliseconds(1))
        var asked = try #require(world.takeQuestion())
        let all = [
            (others[0], found(5, world.key(1))), (others[1], found(9, world.key(2))),
            (others[2], found(7, world.key(3))),
        ]
        for (other, announcer) in all { world.say(.answer(Answer(to: asked, [[announcer]])), from: other) }
        for index in [1, 2, 0] {
            let (machine, announcer) = all[index]
            #expect(world.take() == [.reach(id, Candidate(machine, announcer.key, since: announcer.time))])
            world.machine.failed(id, index == 2 ? .noLink : .refused, at: world.now)
        }
        world.pass(.milliseconds(1))
        asked = try #require(world.takeQuestion())
        // What has failed is not tried again; what comes anew is.
        for (other, announcer) in all.dropFirst() {
            world.say(.answer(Answer(to: asked, [[announcer]])), from: other)
        }
        world.say(.answer(Answer(to: asked, [[found(11, world.key(1))]])), from: others[0])
        #expect(world.take() == [.reach(id, Candidate(others[0], world.key(1), since: HybridTime(11)))])
        world.machine.failed(id, .refused, at: world.now)
        #expect(world.take() == [.unreachable(id)])
        #expect(world.machine.lookUpCount == 0)
    }

    @Test("is decided 20 ms after the first yes; what is found later joins the retries")
    func firstYes() throws {
        let world = world(3)
        let id = try #require(
            world.lookUp(.id(world.key(1))))
        world.pass(.milliseconds(1))
        let asked = try #require(world.takeQuestion())
        world.say(.answer(Answer(to: asked, [[found(5, world.key(1))]])), from: others[0])
        world.pass(.milliseconds(19))
        #expect(world.take().isEmpty)
        world.pass(.milliseconds(1))
        #expect(world.take() == [.reach(id, Candidate(others[0], world.key(1), since: HybridTime(5)))])
        world.say(.answer(Answer(to: asked, [[found(3, world.key(1))]])), from: others[1])
        world.machine.failed(id, .refused, at: world.now)
        #expect(world.take() == [.reach(id, Candidate(others[1], world.key(1), since: HybridTime(3)))])
        // Another key is none that was asked for.
        world.machine.failed(id, .refused, at: world.now)
        world.say(.answer(Answer(to: asked, [[found(3, world.key(2))]])), from: others[2])
        #expect(!world.take().contains { if case .reach = $0 { true } else { false } })
    }

    @Test("asks the silent over their links after 250 ms, and is decided without them after a second")
    func silence() throws {
        let world = world(2)
        world.machine.linkChanged(to: others[1], isUp: true, at: world.now)
        let id = try #require(
            world.lookUp(.id(world.key(1))))
        world.pass(.milliseconds(1))
        let asked = try #require(world.takeQuestion())
        world.say(.answer(Answer(to: asked, [[]])), from: others[0])
        world.pass(.milliseconds(251))
        let sent = world.take().compactMap { output -> (ClusterMessage, MachineID)? in
            guard case .send(let envelope, let machine) = output else { return nil }
            return (envelope.message, machine)
        }
        #expect(sent.contains { $0 == .question(asked) && $1 == others[1] })
        world.pass(.milliseconds(748))
        #expect(!world.take().contains(.missed(id)))
        world.pass(.milliseconds(2))
        #expect(world.take().contains(.missed(id)))
    }

    @Test("answers what is here: ids that are open, tokens of claims that stand, the latest first")
    func answering() throws {
        let world = world(1)
        let (open, hidden, silenced) = (world.key(1), world.key(2), world.key(3))
        _ = world.announce(open, .explicit)
        _ = world.machine.announce(silenced, [.explicit, .hidden], at: world.now)
        _ = world.machine.announce(hidden, [.explicit, .hidden], at: world.now)
        world.pass(.milliseconds(20))
        let better = Claim(
            silenced, HybridTime(milliseconds: world.time.milliseconds + 5), [.explicit, .hidden])
        world.say(.claims(ClaimBatch(number: 1, claims: [better])), from: others[0])
        #expect(world.take().contains(.yield(silenced, .silenced)))
        let token = try FixedBytes<32>(Array(repeating: 7, count: 32))
        let asked = Question(id: 5, targets: [.id(open), .id(hidden), .token(token, by: nil)])
        world.say(.question(asked), from: others[0])
        let consultation = Consultation(asker: others[0], question: asked, path: .engine)
        #expect(world.take() == [.consult(consultation)])
        // Something is looked for in the place of each, so that all take as long; of ids it counts for nothing.
        #expect(consultation.tokens.map(\.index) == [0, 1, 2])
        world.machine.answer(
            consultation, found: [[hidden], [hidden], [silenced, hidden, open]], at: world.now)
        guard case .answer(let answer) = world.takeMessages().first else {
            Issue.record("no answer")
            return
        }
        #expect(answer.announcers(of: 0).map(\.key) == [open])
        #expect(answer.announcers(of: 1).isEmpty)
        #expect(answer.announcers(of: 2).map(\.key) == [hidden])
        // The better one goes: ours stands again.
        world.say(.left(ClaimBatch(number: 2, claims: [better])), from: others[0])
        #expect(world.machine.ownClaims[silenced] != nil)
    }

    @Test("keeps half of the places for members, and ten look-ups a second for a source")
    func places() {
        let world = world(1)
        var count = 0
        for source in 0..<500 {
            for _ in 0..<12
            where world.lookUp(.nobody, for: .stranger(source: "\(source)")) != nil {
                count += 1
            }
        }
        #expect(count == 2_048)
        for _ in 0..<2_048 {
            #expect(world.lookUp(.nobody) != nil)
        }
        #expect(world.lookUp(.nobody) == nil)
        #expect(world.machine.lookUpCount == 4_096)
        world.pass(.seconds(2))
        #expect(world.machine.lookUpCount == 0)
        count = (0..<12).count { _ in
            world.lookUp(.nobody, for: .stranger(source: "a")) != nil
        }
        #expect(count == 10)
    }
}
