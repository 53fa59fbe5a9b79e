import Blinding
import NIOCore
import Testing
import Tunnel
import TypedSodium

@Suite("The queue of proofs")
struct ProofQueueTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func token(_ number: Int) -> HandshakeCauser {
        var bytes = FixedBytes<32>()
        bytes.storage[0] = UInt8(truncatingIfNeeded: number)
        bytes.storage[1] = UInt8(truncatingIfNeeded: number >> 8)
        return .token(PairToken(bytes))
    }

    private func expect(_ isTaken: Bool) { #expect(isTaken) }

    /// What is looked at until a time, in milliseconds from the start; with the time of each.
    private func looks(
        _ queue: inout ProofQueue<Int>, from: Int64 = 0, until end: Int64
    ) -> [(work: Int, at: Int64)] {
        var looks: [(work: Int, at: Int64)] = []
        for time in from...end {
            while let work = queue.next(at: start + .milliseconds(time)) { looks.append((work, time)) }
        }
        return looks
    }

    @Test("lets 500 friends back within 5 s of a portal's restart")
    func restart() {
        var queue = ProofQueue<Int>(at: start)
        for friend in 0..<500 { expect(queue.append(friend, of: token(friend), at: start)) }
        let looks = looks(&queue, until: 5000)
        #expect(looks.count == 500 && Set(looks.map(\.work)).count == 500)
        #expect(looks.last.map { (2000...2500).contains($0.at) } == true)
        #expect(queue.readyAt == nil)
    }

    @Test("goes by turns: who brings many waits for himself alone")
    func turns() {
        var queue = ProofQueue<Int>(at: start)
        for number in 0..<200 { expect(queue.append(number, of: token(1), at: start)) }
        _ = looks(&queue, until: 0)
        expect(queue.append(1000, of: token(2), at: start))
        let looks = looks(&queue, from: 1, until: 100)
        #expect(looks.prefix(3).contains { $0.work == 1000 })
    }

    @Test(
        "looks at 30 a second of those with a wrong one, refuses nobody, and has forgotten it after a minute")
    func wrongOnes() {
        var queue = ProofQueue<Int>(at: start)
        queue.noteWrong(token(1), at: start)
        // Two who know the token: one floods, the other comes once.
        var taken = 0
        while queue.append(taken, of: token(1), at: start) { taken += 1 }
        #expect((140...160).contains(taken), "what would wait 5 s is turned away")
        for friend in 0..<100 { expect(queue.append(1000 + friend, of: token(2 + friend), at: start)) }
        let looks = looks(&queue, until: 5500)
        #expect(looks.count == taken + 100)
        #expect(
            looks.filter { $0.work >= 1000 }.allSatisfy { $0.at < 600 }, "others wait for their turns alone")
        #expect((140...160).contains(looks.filter { $0.work < 1000 && $0.at < 5000 }.count))

        // Later each holder of the token is slower, and comes all the same.
        let later = start + .seconds(10)
        expect(queue.append(7, of: token(1), at: later))
        let next = queue.next(at: later)
        #expect(next == 7)

        let muchLater = start + .seconds(62)
        for number in 0..<200 { expect(queue.append(number, of: token(1), at: muchLater)) }
        let quick = self.looks(&queue, from: 62_000, until: 63_000)
        #expect(quick.count == 200)
    }

    @Test("slows down nobody for the strangers behind his portal")
    func portals() {
        var queue = ProofQueue<Int>(at: start)
        let portal = HandshakeCauser.portal(PublicKey(FixedBytes()))
        queue.noteWrong(portal, at: start)
        for number in 0..<200 { expect(queue.append(number, of: portal, at: start)) }
        let looks = looks(&queue, until: 1000)
        #expect(looks.count == 200)
    }

    @Test("says when the next may be looked at")
    func time() {
        var queue = ProofQueue<Int>(at: start)
        for number in 0..<40 { _ = queue.append(number, of: token(1), at: start) }
        while queue.next(at: start) != nil {}
        #expect(queue.count == 8 && queue.readyAt == start + .milliseconds(5))
        queue.noteWrong(token(1), at: start)
        let next = queue.next(at: start + .milliseconds(5))
        #expect(next != nil)
    }
}
