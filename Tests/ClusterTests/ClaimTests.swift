import Cluster
import NIOCore
import TestSupport
import Testing
import TypedSodium

@Suite("Cluster: who holds a key")
struct ClaimTests {
    private let other = MachineID(high: 9, low: 1)

    private func yields(_ outputs: [ClusterOutput]) -> [Yielding] {
        outputs.compactMap { output in
            guard case .yield(_, let yielding) = output else { return nil }
            return yielding
        }
    }

    private func moved(_ outputs: [ClusterOutput]) -> [PublicKey] {
        outputs.flatMap { output -> [PublicKey] in
            guard case .move(let keys) = output else { return [] }
            return keys
        }
    }

    @Test(
        "gives way to what is better, by what it is itself",
        arguments: [
            (ClaimManner.explicit, ClaimManner.explicit, Int64(5), [Yielding.announcedElsewhere]),
            ([.explicit, .hidden], .explicit, 5, [.silenced]),
            ([], .explicit, -5, [.unannounced]),
            ([], [], 5, [.unannounced]),
            (.explicit, [], 5, []),
            (.explicit, .explicit, -50, []),
        ] as [(ClaimManner, ClaimManner, Int64, [Yielding])])
    func better(own: ClaimManner, theirs: ClaimManner, later: Int64, expected: [Yielding]) {
        let world = SoleMachine()
        world.meet(other)
        #expect(world.announce(world.key(1), own))
        world.pass(.milliseconds(20))
        _ = world.take()
        let time = HybridTime(milliseconds: UInt64(Int64(world.time.milliseconds) + later))
        world.say(.claims(ClaimBatch(number: 1, claims: [Claim(world.key(1), time, theirs)])), from: other)
        let outputs = world.take()
        #expect(yields(outputs) == expected)
        #expect((world.machine.ownClaims[world.key(1)] == nil) == !expected.isEmpty)
        // Where ours is better they are told it again, to their inbox alone.
        let again = outputs.contains { output in
            guard case .publish(let envelope, .inbox(other)) = output,
                case .claims(let batch) = envelope.message
            else {
                return false
            }
            return batch.number == 0 && batch.claims == [world.machine.ownClaims[world.key(1)]]
        }
        #expect(again == expected.isEmpty)
    }

    @Test("announces no subscription of a key that is announced elsewhere explicitly")
    func subscription() {
        let world = SoleMachine()
        world.meet(other, claimNumber: 1, claims: [Claim(world.key(1), world.time, .explicit)])
        #expect(!world.announce(world.key(1), []))
        #expect(world.announce(world.key(2), []))
        #expect(world.announce(world.key(1), .explicit))
    }

    @Test("comes to the same list, in whatever order batches come, and however often", arguments: 0..<20)
    func anyOrder(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let world = SoleMachine()
        world.meet(other)
        var truth: [UInt8: Claim] = [:]
        var batches: [ClusterMessage] = []
        for number in 1...60 {
            let byte = UInt8.random(in: 0..<20, using: &random)
            let time = HybridTime(milliseconds: SoleMachine.wall + UInt64(number))
            if let present = truth[byte], Bool.random(using: &random) {
                truth[byte] = nil
                batches.append(.left(ClaimBatch(number: UInt64(number), claims: [present])))
            } else {
                truth[byte] = Claim(world.key(byte), time, .explicit)
                batches.append(
                    .claims(
                        ClaimBatch(number: UInt64(number), claims: [Claim(world.key(byte), time, .explicit)]))
                )
            }
        }
        // Some are lost, all may come late or twice.
        let sent = (batches + batches.shuffled(using: &random).prefix(20)).filter { _ in
            Int.random(in: 0..<10, using: &random) > 0
        }
        for start in stride(from: 0, to: sent.count, by: 7) {
            for batch in sent[start..<min(start + 7, sent.count)].shuffled(using: &random) {
                world.say(batch, from: other)
            }
        }
        let claims = Array(truth.values)
        let beat = SoleMachine.heartbeat(
            address: "\(other.text).example.org:1", claimNumber: 60, claims: claims)
        world.say(beat, from: other)
        for _ in 0..<3 {
            world.pass(.milliseconds(700))
            world.say(beat, from: other)
            world.answerList(of: other, claimNumber: 60, claims: claims)
        }
        #expect(Set(world.machine.listedKeys ?? []) == Set(claims.map(\.key)))
    }

    @Test(
        "tells in a list what is open, and of what is hidden what came since, and drops it when the machine goes"
    )
    func list() {
        let world = SoleMachine()
        world.meet(other)
        _ = world.announce(world.key(1), .explicit)
        _ = world.announce(world.key(2), [.explicit, .hidden])
        world.pass(.seconds(60))
        world.meet(other)
        _ = world.announce(world.key(3), [.explicit, .hidden])
        _ = world.take()
        world.say(.listQuery(ListQuery(nonce: 8, hiddenSince: world.time)), from: other)
        let parts = world.takeMessages().compactMap { message -> ListPart? in
            guard case .listPart(let part) = message else { return nil }
            return part
        }
        #expect(parts.count == 1)
        #expect(Set(parts.flatMap(\.claims).map(\.key)) == [world.key(1), world.key(3)])
        // What it had not told yet stands before the list.
        #expect(parts.first?.claimNumber == 2)
        world.say(.listQuery(ListQuery(nonce: 9, hiddenSince: world.time)), from: other)
        #expect(world.takeMessages().isEmpty)
        #expect(world.machine.counts.hasty == 1)
    }

    @Test("a hidden claim stands again when the list no longer names the better one, whose end got lost")
    func lostDeparture() {
        let world = SoleMachine()
        world.meet(other)
        _ = world.announce(world.key(1), [.explicit, .hidden])
        world.pass(.milliseconds(20))
        let better = Claim(world.key(1), world.time, [.explicit, .hidden])
        world.say(.claims(ClaimBatch(number: 1, claims: [better])), from: other)
        #expect(yields(world.take()) == [.silenced])
        // Batch 2, which said that it ended, never came; a list that still names it changes nothing.
        for (claims, stands) in [([better], false), ([], true)] {
            let beat = SoleMachine.heartbeat(
                address: "\(other.text).example.org:1", claimNumber: stands ? 3 : 2)
            world.say(beat, from: other)
            world.pass(.milliseconds(700))
            world.say(beat, from: other)
            world.answerList(of: other, claimNumber: stands ? 3 : 2, claims: claims)
            #expect((world.machine.ownClaims[world.key(1)] != nil) == stands)
        }
    }

    @Test("asks all to move over four fifths of the time, and ends nobody who has")
    func drain() {
        let world = SoleMachine()
        world.meet(other)
        for byte in 0..<100 { _ = world.announce(world.key(UInt8(byte)), .explicit) }
        world.pass(.milliseconds(20))
        _ = world.take()
        world.machine.startDrain(during: .seconds(10), at: world.now)
        for _ in 0..<2 {
            world.pass(.seconds(2))
            world.say(SoleMachine.heartbeat(address: "\(other.text).example.org:1"), from: other)
        }
        let first = moved(world.take())
        #expect((40...60).contains(first.count))
        let claim = Claim(first[0], world.time, .explicit)
        _ = world.take()
        world.say(.claims(ClaimBatch(number: 1, claims: [claim])), from: other)
        #expect(yields(world.take()) == [.moved])
        #expect(world.machine.ownClaims[first[0]] == nil)
        world.pass(.seconds(4))
        let rest = moved(world.take())
        #expect(Set(first + rest).count == 100)
        #expect(world.machine.isDraining)
    }
}
