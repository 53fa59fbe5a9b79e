import Connection
import NIOCore
import Testing
import Tunnel

@Suite("Whether a peer is there")
struct LivenessTests {
    private let start = NIODeadline.uptimeNanoseconds(5_000_000_000)

    @Test("is asked after 25 s of silence, and given up after 45 s")
    func silence() {
        var liveness = Liveness(heardAt: start)
        #expect(liveness.deadline == start + .seconds(25))
        #expect(liveness.timeReached(start + .nanoseconds(24_999_999_999)) == .wait)
        #expect(liveness.timeReached(start + .seconds(25)) == .ask)
        #expect(liveness.deadline == start + .seconds(45))
        #expect(liveness.timeReached(start + .seconds(25)) == .wait, "once")
        #expect(liveness.timeReached(start + .seconds(44)) == .wait)
        #expect(liveness.timeReached(start + .seconds(45)) == .giveUp)
    }

    @Test("is known from any byte")
    func heard() {
        var liveness = Liveness(heardAt: start)
        #expect(liveness.timeReached(start + .seconds(25)) == .ask)
        liveness.heard(at: start + .seconds(26))
        #expect(liveness.deadline == start + .seconds(51))
        #expect(liveness.timeReached(start + .seconds(45)) == .wait)
        #expect(liveness.timeReached(start + .seconds(51)) == .ask)
    }

    @Test("is given up at once where the clock has jumped, as after a sleep")
    func jump() {
        var liveness = Liveness(heardAt: start)
        #expect(liveness.timeReached(start + .hours(1)) == .giveUp)
    }
}
