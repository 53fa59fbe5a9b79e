import Connection
import NIOCore
import Testing

@Suite("Whether a machine of a portal is there")
struct MachinesLivenessTests {
    private let start = NIODeadline.uptimeNanoseconds(5_000_000_000)

    private func after(_ seconds: Double) -> NIODeadline {
        start + .nanoseconds(Int64(seconds * 1_000_000_000))
    }

    @Test(
        "is asked after 3 s, suspect within the sixth, and given up after 45 s", arguments: [0, 0.5, 0.999])
    func alone(_ fraction: Double) {
        var liveness = Liveness(heardAt: start, .amongMachines(fraction: fraction))
        #expect(liveness.timeReached(after(2.999)) == .wait)
        #expect(liveness.timeReached(after(3)) == .ask && !liveness.isSuspect)
        let suspected = 5 + (fraction * 1_000).rounded(.down) / 1_000
        #expect(liveness.deadline == after(suspected))
        #expect(liveness.timeReached(after(suspected)) == .suspect && liveness.isSuspect)
        #expect(liveness.deadline == after(45))
        #expect(liveness.timeReached(after(45)) == .giveUp)
    }

    @Test("is given up after 8 s where another connection stands in its place, whenever that came")
    func replaced() {
        for time in [0, 4, 7, 8] {
            var liveness = Liveness(heardAt: start, .amongMachines(fraction: 0))
            #expect(liveness.timeReached(after(3)) == .ask)
            #expect(liveness.timeReached(after(5)) == .suspect)
            if time == 8 { #expect(liveness.timeReached(after(8)) == .wait) }
            liveness.replaced()
            #expect(liveness.deadline == after(8))
            #expect(liveness.timeReached(after(8)) == .giveUp)
        }
    }

    @Test("is none that is suspect once it was heard again")
    func heard() {
        var liveness = Liveness(heardAt: start, .amongMachines(fraction: 0))
        #expect(liveness.timeReached(after(3)) == .ask)
        #expect(liveness.timeReached(after(5)) == .suspect)
        liveness.heard(at: after(6))
        #expect(!liveness.isSuspect && liveness.deadline == after(9))
        #expect(liveness.timeReached(after(9)) == .ask)
        #expect(liveness.timeReached(after(11)) == .suspect, "each time anew")
    }

    @Test("is not suspect while its system takes more of what is on the way, as on a slow line")
    func slow() {
        var liveness = Liveness(heardAt: start, .amongMachines(fraction: 0))
        liveness.sent(at: start)
        liveness.acknowledged(100, at: after(3))
        #expect(liveness.timeReached(after(3)) == .ask)
        liveness.acknowledged(200, at: after(5))
        #expect(liveness.timeReached(after(5)) == .wait)
        #expect(liveness.deadline == after(10))
        // It takes no more.
        liveness.acknowledged(200, at: after(10))
        #expect(liveness.timeReached(after(10)) == .suspect)
        liveness.replaced()
        #expect(liveness.timeReached(after(13)) == .giveUp)
    }

    @Test("has the usual time as soon as that is wanted, as on a battery")
    func battery() {
        var liveness = Liveness(heardAt: start, .machine)
        #expect(liveness.deadline == after(3))
        liveness.expect(.usual)
        #expect(liveness.deadline == after(25))
        #expect(liveness.timeReached(after(25)) == .ask && liveness.timeReached(after(44)) == .wait)
        #expect(liveness.timeReached(after(45)) == .giveUp)
    }

    @Test("is asked by a portal, which looks for no other way")
    func portal() {
        var liveness = Liveness(heardAt: start, .machine)
        #expect(liveness.timeReached(after(3)) == .ask && liveness.deadline == after(45))
    }
}
