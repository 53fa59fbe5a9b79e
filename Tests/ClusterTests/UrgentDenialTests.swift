import Cluster
import NIOCore
import TestSupport
import Testing
import TypedSodium

@Suite("Cluster: urgent denials")
struct UrgentDenialTests {
    private let other = MachineID(high: 0, low: 200)
    private let third = MachineID(high: 0, low: 300)

    private func denials(_ outputs: [ClusterOutput]) -> (
        published: Int, linked: [MachineID], said: Set<UrgentDenial>
    ) {
        var (published, linked, said) = (0, [MachineID](), Set<UrgentDenial>())
        for output in outputs {
            switch output {
            case .publish(let envelope, let subject):
                guard case .denials(let denials) = envelope.message else { continue }
                #expect(subject == .denial)
                published += 1
                said.formUnion(denials.list)
            case .send(let envelope, let machine):
                guard case .denials(let denials) = envelope.message else { continue }
                linked.append(machine)
                said.formUnion(denials.list)
            default: break
            }
        }
        return (published, linked, said)
    }

    @Test("are said by NATS and over every link, at once and again, until the log has them")
    func repeated() {
        let sole = SoleMachine()
        sole.meet(other)
        sole.meet(third)
        sole.machine.linkChanged(to: other, isUp: true, at: sole.now)
        _ = sole.take()
        let denial = UrgentDenial(key: sole.key(9), since: 5, index: 3)
        sole.machine.report([denial], at: sole.now)
        sole.pass(.milliseconds(150))
        let first = denials(sole.take())
        #expect(first.published == 1 && first.linked == [other] && first.said == [denial])
        sole.machine.report([denial], at: sole.now)
        sole.pass(.milliseconds(1_500))
        #expect(denials(sole.take()).published == 0)
        sole.pass(.milliseconds(600))
        #expect(denials(sole.take()).published == 1)
        let second = UrgentDenial(key: sole.key(10), since: 6, index: 3)
        sole.machine.report([denial, second], at: sole.now)
        sole.pass(.milliseconds(150))
        #expect(denials(sole.take()).said == [denial, second])
        sole.machine.report([UrgentDenial](), at: sole.now)
        sole.pass(.seconds(5))
        #expect(denials(sole.take()).published == 0)
    }

    @Test("go over links where NATS is away, and to a machine whose link comes later")
    func withoutEngine() {
        let sole = SoleMachine()
        sole.meet(other)
        sole.machine.engineChanged(isUp: false, at: sole.now)
        let denial = UrgentDenial(key: sole.key(9), since: 5, index: 3)
        sole.machine.report([denial], at: sole.now)
        sole.pass(.milliseconds(150))
        let before = denials(sole.take())
        #expect(before.published == 0 && before.linked.isEmpty)
        sole.machine.linkChanged(to: other, isUp: true, at: sole.now)
        let after = denials(sole.take())
        #expect(after.linked == [other] && after.said == [denial])
    }

    @Test("are believed of machines that count, and of no others")
    func heard() {
        let sole = SoleMachine()
        sole.meet(other)
        _ = sole.take()
        let denial = UrgentDenial(key: sole.key(9), since: 5, index: 3)
        sole.say(.denials(UrgentDenials([denial])), from: other, over: .link)
        #expect(sole.take().contains(.denied([denial], by: other)))
        sole.say(SoleMachine.heartbeat(address: "c:1"), from: third)
        sole.say(.denials(UrgentDenials([denial])), from: third)
        let isBelieved = sole.take().contains { output in
            if case .denied = output { return true }
            return false
        }
        #expect(!isBelieved)
        #expect(sole.machine.counts.strange == 1)
    }

    @Test("are read at their greatest number, and no more of them; nothing that is cut off")
    func bounds() throws {
        func envelope(_ denials: UrgentDenials) -> ClusterEnvelope {
            ClusterEnvelope(sender: other, number: 3, time: HybridTime(4), message: .denials(denials))
        }
        let many = (0..<UInt64(UrgentDenials.limit) + 7).map {
            UrgentDenial(key: PublicKey(FixedBytes()), since: $0, index: 1)
        }
        let full = UrgentDenials(many)
        #expect(full.list.count == UrgentDenials.limit)
        let encoded = envelope(full).encoded()
        #expect(encoded.count <= ClusterEnvelope.byteCountLimit)
        #expect(try ClusterEnvelope(decoding: encoded) == envelope(full))
        let short = envelope(UrgentDenials(Array(many.prefix(2)))).encoded()
        for count in ClusterEnvelope.headByteCount..<short.count {
            #expect(throws: ClusterError.malformed) {
                try ClusterEnvelope(decoding: Array(short.prefix(count)))
            }
        }
        var longer = envelope(full).encoded()
        longer[ClusterEnvelope.headByteCount + 1] &+= 1
        #expect(throws: ClusterError.self) { try ClusterEnvelope(decoding: longer) }
    }

    @Test("a mark that moves is in a heartbeat within a tenth of a second")
    func mark() {
        let sole = SoleMachine()
        sole.meet(other)
        sole.pass(.seconds(2))
        while !sole.takeMessages().contains(where: { if case .heartbeat = $0 { true } else { false } }) {
            sole.pass(.milliseconds(50))
        }
        sole.machine.report(PolicyMark(index: 7))
        sole.pass(.milliseconds(110))
        let marks = sole.takeMessages().compactMap { message -> UInt64? in
            guard case .heartbeat(let heartbeat) = message else { return nil }
            return heartbeat.policy.index
        }
        #expect(marks == [7])
    }
}
