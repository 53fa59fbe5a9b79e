import Testing

@testable import PortalCore

@Suite("Whose turn it is in a portal's queues")
struct TurnRingTests {
    /// Somebody with so much to send, a byte at a time.
    private final class Member: TurnTaker {
        let name: Int
        var deficit = 0
        var hasTurn = false
        var waiting: Int

        init(_ name: Int, _ waiting: Int) { (self.name, self.waiting) = (name, waiting) }
    }

    private static let quantum = 1000

    /// What is sent next: the name, and the bytes of the turn.
    private func send(_ ring: inout TurnRing<Member>) -> (name: Int, byteCount: Int)? {
        while let member = ring.current(quantumByteCount: Self.quantum) {
            #expect(ring.invariantsHold)
            let byteCount = min(member.deficit, member.waiting)
            member.deficit -= byteCount
            member.waiting -= byteCount
            if member.waiting == 0 { ring.rest() } else { ring.pass() }
            if byteCount > 0 { return (member.name, byteCount) }
        }
        return nil
    }

    @Test("is in a round for those that have much")
    func round() {
        var ring = TurnRing<Member>()
        for name in 1...3 { ring.join(Member(name, 3 * Self.quantum), isSparse: false) }
        var order: [Int] = []
        while let (name, byteCount) = send(&ring) {
            order.append(name)
            #expect(byteCount == Self.quantum)
        }
        #expect(order == [1, 2, 3, 1, 2, 3, 1, 2, 3] && ring.isEmpty)
    }

    @Test("comes first to those that have little, in the midst of another's turn too")
    func sparse() {
        var ring = TurnRing<Member>()
        let bulk = Member(1, 10 * Self.quantum)
        ring.join(bulk, isSparse: false)
        _ = ring.current(quantumByteCount: Self.quantum)
        bulk.deficit -= 400
        bulk.waiting -= 400
        ring.join(Member(2, 64), isSparse: true)
        ring.join(Member(3, 64), isSparse: true)
        var order: [Int] = []
        for _ in 0..<3 { if let (name, _) = send(&ring) { order.append(name) } }
        #expect(order == [2, 3, 1])
        #expect(bulk.waiting == 9 * Self.quantum, "what was left of its turn, and no more")
    }

    @Test("comes once a round to those that always have little, however many there are")
    func bound() {
        var ring = TurnRing<Member>()
        let bulk = Member(0, 1_000_000)
        ring.join(bulk, isSparse: false)
        let others = (1...50).map { Member($0, 0) }
        var turns: [Int: Int] = [:]
        for _ in 0..<2000 {
            for member in others {
                member.waiting = 64
                if !member.hasTurn { ring.join(member, isSparse: true) }
            }
            if let (name, _) = send(&ring) { turns[name, default: 0] += 1 }
        }
        let most = turns.filter { $0.key > 0 }.values.max() ?? 0
        #expect((turns[0] ?? 0) >= most / 2 && most > 10)
    }

    @Test("is a round's for one that has more than it said")
    func more() {
        var ring = TurnRing<Member>()
        ring.join(Member(1, 3 * Self.quantum), isSparse: false)
        ring.join(Member(2, TurnRing<Member>.sparseByteCount + 10), isSparse: true)
        let turns = (0..<3).compactMap { _ in send(&ring) }
        #expect(turns.map(\.name) == [2, 1, 2] && turns[0].byteCount == TurnRing<Member>.sparseByteCount)
    }

    @Test("is nobody's who has gone")
    func removal() {
        var ring = TurnRing<Member>()
        let (bulk, other, small) = (Member(1, 5000), Member(2, 5000), Member(3, 10))
        ring.join(bulk, isSparse: false)
        ring.join(other, isSparse: false)
        _ = ring.current(quantumByteCount: Self.quantum)
        ring.join(small, isSparse: true)
        ring.remove(bulk)
        #expect(ring.invariantsHold && ring.count == 2)
        ring.remove(small)
        ring.remove(small)
        #expect(ring.invariantsHold && ring.first === other && !small.hasTurn)
        #expect(send(&ring)?.byteCount == Self.quantum)
        ring.remove(other)
        #expect(ring.isEmpty && send(&ring) == nil)
    }

    @Test("leaves nothing behind when those with little are the only ones")
    func alone() {
        var ring = TurnRing<Member>()
        let member = Member(1, 64)
        for _ in 0..<3 {
            member.waiting = 64
            ring.join(member, isSparse: true)
            #expect(send(&ring)?.name == 1)
            #expect(ring.isEmpty && !member.hasTurn)
        }
    }
}
