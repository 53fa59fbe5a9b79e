import NIOCore
import Testing
import Tunnel

@Suite("Whether a peer is there that owes an answer")
struct UnansweredTests {
    private let start = NIODeadline.uptimeNanoseconds(5_000_000_000)

    private func after(_ seconds: Double) -> NIODeadline {
        start + .nanoseconds(Int64(seconds * 1_000_000_000))
    }

    @Test("is asked after 5 s, and given up after 10 s")
    func unanswered() {
        var liveness = Liveness(heardAt: start)
        liveness.sent(at: after(3))
        #expect(liveness.isUnanswered && liveness.deadline == after(8))
        liveness.sent(at: after(7))
        #expect(liveness.deadline == after(8), "from the first byte on")
        #expect(liveness.timeReached(after(8)) == .ask)
        liveness.sent(at: after(8))
        #expect(liveness.deadline == after(13))
        #expect(liveness.timeReached(after(12.9)) == .wait)
        #expect(liveness.timeReached(after(13)) == .giveUp)
    }

    @Test("owes nothing once it was heard")
    func heard() {
        var liveness = Liveness(heardAt: start)
        liveness.sent(at: after(1))
        #expect(liveness.timeReached(after(6)) == .ask)
        liveness.heard(at: after(7))
        #expect(!liveness.isUnanswered && liveness.deadline == after(32))
    }

    @Test("has the time of an idle one for the question that it is asked then")
    func idle() {
        var liveness = Liveness(heardAt: start)
        #expect(liveness.timeReached(after(25)) == .ask)
        liveness.sent(at: after(25))
        #expect(!liveness.isUnanswered && liveness.deadline == after(45))
        liveness.sent(at: after(26))
        #expect(liveness.isUnanswered && liveness.deadline == after(36), "what is sent behind it counts")
        #expect(liveness.timeReached(after(36)) == .giveUp)
    }

    @Test("is waited for while its system takes more and more, as on a slow line")
    func slow() {
        var liveness = Liveness(heardAt: start)
        liveness.sent(at: start)
        liveness.acknowledged(1_000, at: after(5))
        #expect(liveness.timeReached(after(5)) == .ask)
        for step in 1...3 {
            let now = after(5 + 5 * Double(step))
            liveness.acknowledged(1_000 + UInt64(step), at: now)
            #expect(liveness.timeReached(now) == .wait, "\(step)")
            #expect(liveness.deadline == min(after(45), now + .seconds(10)))
        }
        // It takes no more.
        liveness.acknowledged(1_003, at: after(30))
        #expect(liveness.timeReached(after(30)) == .giveUp)
    }

    @Test("is given up in the end where nothing is ever heard, however much its system takes")
    func never() {
        var liveness = Liveness(heardAt: start)
        liveness.sent(at: start)
        var seconds = 0.0
        while seconds < 45 {
            seconds += 1
            liveness.acknowledged(UInt64(seconds), at: after(seconds))
            if liveness.timeReached(after(seconds)) == .giveUp { break }
        }
        #expect(seconds == 45)
    }
}
