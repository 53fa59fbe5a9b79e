import Node
import Testing

@Suite("Troubles of a loop that tries again")
struct TroublesTests {
    private static let start = ContinuousClock.now

    @Test("are said once, and every hour, with the number of tries")
    func hourly() {
        var troubles = Troubles()
        var said: [(Int, Int)] = []
        for second in stride(from: 0, to: 3 * 3_600, by: 30) {
            if let tries = troubles.admit("wrong key", at: Self.start + .seconds(second)) {
                said.append((second, tries))
            }
        }
        #expect(said.map(\.0) == [0, 3_600, 7_200] && said.map(\.1) == [0, 119, 119])
    }

    @Test("are told apart, also where they take turns")
    func turns() {
        var troubles = Troubles()
        #expect(troubles.admit("away", at: Self.start) == 0)
        #expect(troubles.admit("busy", at: Self.start) == 0)
        for second in 1..<100 {
            let name = second % 2 == 0 ? "away" : "busy"
            #expect(troubles.admit(name, at: Self.start + .seconds(second)) == nil)
        }
    }

    @Test("are news after what has gone well")
    func ended() {
        var troubles = Troubles()
        #expect(troubles.admit("away", at: Self.start) == 0)
        #expect(troubles.admit("away", at: Self.start + .seconds(1)) == nil)
        troubles.end()
        #expect(troubles.admit("away", at: Self.start + .seconds(2)) == 0)
    }

    @Test("are remembered up to a bound, the newest longest")
    func bound() {
        var troubles = Troubles()
        for number in 0..<1_000 {
            #expect(troubles.admit("trouble \(number)", at: Self.start + .milliseconds(number)) == 0)
        }
        let now = Self.start + .seconds(2)
        #expect(troubles.admit("trouble 999", at: now) == nil)
        #expect(troubles.admit("trouble \(1_000 - Troubles.countLimit)", at: now) == nil)
        #expect(troubles.admit("trouble \(999 - Troubles.countLimit)", at: now) == 0)
    }
}
