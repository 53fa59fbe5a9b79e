import NIOCore
import PortalCore
import TestSupport
import Testing

@Suite("The ledger of pauses")
struct PauseLedgerTests {
    private func time(_ milliseconds: Int64) -> NIODeadline {
        .uptimeNanoseconds(0) + .seconds(100) + .milliseconds(milliseconds)
    }

    /// Lets one causer hold others up for so long.
    private func pause(
        _ ledger: inout PauseLedger<String>, _ tunnel: UInt64, by causer: String, from: Int64, to: Int64
    ) {
        ledger.count(until: time(1_000_000), at: time(from))
        ledger.paused(TunnelID(tunnel), by: causer, at: time(from))
        ledger.count(until: time(1_000_000), at: time(to))
        ledger.resumed(TunnelID(tunnel))
    }

    @Test("condemns who holds others up for more than 250 ms, and not before")
    func allowance() {
        var ledger = PauseLedger<String>()
        ledger.paused(TunnelID(1), by: "a", at: time(0))
        #expect(ledger.deadline == time(250) + .nanoseconds(1))
        ledger.count(until: time(10_000), at: time(250))
        #expect(ledger.waited == .milliseconds(250))
        #expect(ledger.judge(isSomebodyActive: true, at: time(250)) == nil)
        ledger.count(until: time(10_000), at: time(251))
        let verdict = ledger.judge(isSomebodyActive: true, at: time(251))
        #expect(verdict == PauseLedger.Verdict(causer: "a", tunnel: TunnelID(1)))
        #expect(!ledger.isPaused && ledger.deadline == nil)

        // Who comes next has a tenth.
        ledger.paused(TunnelID(2), by: "b", at: time(300))
        ledger.count(until: time(10_000), at: time(325))
        #expect(ledger.judge(isSomebodyActive: true, at: time(325)) == nil)
        ledger.count(until: time(10_000), at: time(326))
        #expect(ledger.judge(isSomebodyActive: true, at: time(326))?.causer == "b")
        #expect(ledger.waited == .milliseconds(277))
    }

    @Test("counts nothing while nobody else is active")
    func nobodyWaits() {
        var ledger = PauseLedger<String>()
        ledger.paused(TunnelID(1), by: "a", at: time(0))
        ledger.count(until: nil, at: time(5000))
        ledger.count(until: time(5100), at: time(20_000))
        #expect(ledger.waited == .milliseconds(100))
        #expect(ledger.judge(isSomebodyActive: false, at: time(20_000)) == nil)
    }

    @Test("forgets what is older than five seconds")
    func window() {
        var ledger = PauseLedger<String>()
        pause(&ledger, 1, by: "a", from: 0, to: 200)
        pause(&ledger, 1, by: "a", from: 3000, to: 3040)
        #expect(ledger.waited == .milliseconds(240))
        pause(&ledger, 1, by: "a", from: 5600, to: 5800)
        #expect(ledger.waited == .milliseconds(240))
        #expect(ledger.judge(isSomebodyActive: true, at: time(5800)) == nil)
    }

    @Test("adds up what all tunnels cause, and condemns whoever caused most, though another is full now")
    func mostOfAll() {
        var ledger = PauseLedger<String>()
        pause(&ledger, 1, by: "a", from: 0, to: 130)
        pause(&ledger, 2, by: "a", from: 200, to: 310)
        ledger.count(until: time(10_000), at: time(400))
        ledger.paused(TunnelID(3), by: "b", at: time(400))
        ledger.count(until: time(10_000), at: time(411))
        let verdict = ledger.judge(isSomebodyActive: true, at: time(411))
        #expect(verdict == PauseLedger.Verdict(causer: "a", tunnel: TunnelID(1)))
        #expect(ledger.waited == .milliseconds(251) && ledger.isFull(TunnelID(3)))
        #expect(ledger.judge(isSomebodyActive: true, at: time(411)) == nil)
    }

    @Test("has no patience for a minute with whoever was condemned")
    func penalty() {
        var ledger = PauseLedger<String>()
        ledger.paused(TunnelID(1), by: "a", at: time(0))
        ledger.count(until: time(10_000), at: time(300))
        #expect(ledger.judge(isSomebodyActive: true, at: time(300))?.tunnel == TunnelID(1))
        ledger.paused(TunnelID(2), by: "a", at: time(30_000))
        #expect(ledger.judge(isSomebodyActive: false, at: time(30_000)) == nil, "it hurts nobody")
        #expect(ledger.judge(isSomebodyActive: true, at: time(30_000))?.tunnel == TunnelID(2))
        ledger.paused(TunnelID(3), by: "a", at: time(90_001))
        #expect(ledger.judge(isSomebodyActive: true, at: time(90_001)) == nil)
    }

    @Test("keeps its sums exact, and others' waits short", arguments: 0..<30 as Range<UInt64>)
    func sums(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var ledger = PauseLedger<Int>()
        var now = time(0)
        // The bare rule: every piece of waiting with its end.
        var pieces: [(end: NIODeadline, nanoseconds: Int64)] = []
        var condemned = 0
        for _ in 0..<2000 {
            let step = TimeAmount.microseconds(Int64.random(in: 0...40_000, using: &random))
            let isActive = Int.random(in: 0..<4, using: &random) > 0
            if ledger.isPaused, isActive { pieces.append((now + step, step.nanoseconds)) }
            now = now + step
            ledger.count(until: isActive ? now + .seconds(1) : nil, at: now)
            let tunnel = UInt64.random(in: 0..<12, using: &random)
            if Bool.random(using: &random) {
                ledger.paused(TunnelID(tunnel), by: Int(tunnel) / 3, at: now)
            } else {
                ledger.resumed(TunnelID(tunnel))
            }
            let most = pieces.filter { $0.end > now - .seconds(5) }.reduce(0) { $0 + $1.nanoseconds }
            #expect(ledger.waited.nanoseconds <= most && ledger.waited.nanoseconds >= 0)
            while ledger.judge(isSomebodyActive: isActive, at: now) != nil { condemned += 1 }
            // The steps that are forgotten whole may be one more than the window.
            let least = pieces.filter { $0.end > now - .milliseconds(4700) }.reduce(0) { $0 + $1.nanoseconds }
            #expect(ledger.waited.nanoseconds >= least)
        }
        #expect(condemned > 0)
        for tunnel in 0..<12 as Range<UInt64> { ledger.resumed(TunnelID(tunnel)) }
        ledger.count(until: nil, at: now + .seconds(6))
        #expect(ledger.waited == .zero)
    }
}
