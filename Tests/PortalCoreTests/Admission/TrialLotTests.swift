@testable import PortalCore
import NIOCore
import TestSupport
import Testing

@Suite("Connections on trial")
final class TrialLotTests {
    private var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var lot: TrialLot

    init() { lot = TrialLot(limit: 10, random: SeededRandom(seed: 7), at: now) }

    @Test("are drawn once they have spoken, 20 a second")
    func draws() {
        for number in 1...10 { #expect(lot.enter(number) == nil) }
        #expect(lot.nextDraw == nil && lot.draw(at: now) == nil)
        for number in 1...8 { lot.spoke(number) }
        var drawn: [Int] = []
        let end = now + .milliseconds(200)
        while let next = lot.nextDraw, next <= end {
            now = max(now, next)
            if let number = lot.draw(at: now) { drawn.append(number) }
        }
        #expect(drawn.count == 5)
        #expect(Set(drawn).count == 5 && drawn.allSatisfy { (1...8).contains($0) })
        #expect(lot.count == 10)
        for number in 1...10 { lot.leave(number) }
        #expect(lot.count == 0)
    }

    @Test("are drawn by lot: who came late is as likely as who came early")
    func chances() {
        var firsts: [Int: Int] = [:]
        lot = TrialLot(limit: 4, random: SeededRandom(seed: 8), at: now)
        for _ in 0..<4000 {
            now = now + .seconds(1)
            for number in 1...4 {
                _ = lot.enter(number)
                lot.spoke(number)
            }
            if let number = lot.draw(at: now) { firsts[number, default: 0] += 1 }
            for number in 1...4 { lot.leave(number) }
        }
        #expect(firsts.values.allSatisfy { (900...1100).contains($0) })
    }

    @Test("give way when there are too many: the silent first, never one that was drawn")
    func tooMany() {
        for number in 1...10 { _ = lot.enter(number) }
        lot.spoke(1)
        #expect(lot.draw(at: now) == 1)
        for number in 2...8 { lot.spoke(number) }
        #expect(lot.enter(11) == 9)
        #expect(lot.enter(12) == 10)
        lot.spoke(11)
        lot.spoke(12)
        let displaced = lot.enter(13)
        #expect(displaced.map { (2...12).contains($0) } == true)
        #expect(lot.count == 10)
    }
}
