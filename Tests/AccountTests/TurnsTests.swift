import Account
import NIOCore
import TestSupport
import Testing

@Suite("Turns")
struct TurnsTests {
    private func drop(_ dropped: (causer: String, element: Int)?) { #expect(dropped == nil) }

    @Test("serves one of each in a round, however many one has brought")
    func rounds() {
        var turns = Turns<String, Int>(limit: 100)
        for number in 0..<50 { drop(turns.append(number, of: "flood")) }
        drop(turns.append(100, of: "honest"))
        var order: [Int] = []
        for _ in 0..<3 { order.append(turns.popFirst()?.element ?? -1) }
        #expect(order == [0, 100, 1])
        #expect(turns.count == 48)
    }

    @Test("makes the newest of the largest give way, and nobody smaller")
    func givesWay() {
        var turns = Turns<String, Int>(limit: 4)
        for number in 0..<4 { drop(turns.append(number, of: "flood")) }
        let dropped = turns.append(9, of: "honest")
        #expect(dropped?.causer == "flood" && dropped?.element == 3)
        let refused = turns.append(5, of: "flood")
        #expect(refused?.causer == "flood" && refused?.element == 5)
        #expect(turns.count == 4)
    }

    @Test("passes over those that may have no turn now, and keeps their order")
    func passesOver() {
        var turns = Turns<String, Int>(limit: 10)
        for (number, causer) in [(1, "a"), (2, "b"), (3, "a")] { _ = turns.append(number, of: causer) }
        let second = turns.popFirst { $0 == "b" }
        let none = turns.popFirst { $0 == "b" }
        let first = turns.popFirst()
        #expect(second?.element == 2 && none == nil && first?.element == 1)
        let removed = turns.removeAll { _, element in element == 3 }
        let last = turns.popFirst()
        #expect(removed == [3] && last == nil && turns.count == 0)
    }
}

@Suite("Rate")
struct RateTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test("tells how many may happen now, none where too many have")
    func available() {
        var rate = Rate(perSecond: 50, burst: 200, at: start)
        #expect(rate.available(at: start) == 200)
        rate.spend(190, at: start)
        #expect(rate.available(at: start) == 10)
        rate.spend(20, at: start)
        #expect(rate.available(at: start) == 0)
        #expect(rate.available(at: start + .seconds(1)) == 40)
        #expect(rate.available(at: start + .hours(1)) == 200)
    }

    @Test("lets happen at the moment that it names, wherever rounding falls")
    func readyIsReady() {
        var random = SeededRandom(seed: 91)
        for _ in 0..<20_000 {
            var rate = Rate(perSecond: .random(in: 0.5...700, using: &random), burst: 200, at: start)
            var now = start
            for _ in 0..<5 {
                now = now + .nanoseconds(.random(in: 0...3_000_000, using: &random))
                rate.spend(.random(in: 0...320, using: &random).rounded(), at: now)
                now = max(now, rate.ready())
                #expect(rate.available(at: now) >= 1)
            }
        }
    }

    @Test("allows a burst, then its pace")
    func pace() {
        var rate = Rate(perSecond: 10, burst: 3, at: start)
        let taken = (0..<4).map { _ in rate.take(at: start) }
        #expect(taken == [true, true, true, false])
        #expect(rate.ready() == start + .milliseconds(100))
        let later = rate.take(at: rate.ready())
        #expect(later)
        #expect(!rate.isFull(at: start + .milliseconds(200)))
        #expect(rate.isFull(at: start + .seconds(1)))
    }

    @Test("makes up for what was spent beyond")
    func debt() {
        var rate = Rate(perSecond: 10, burst: 3, at: start)
        rate.spend(8, at: start)
        let taken = [500, 600].map { rate.take(at: start + .milliseconds($0)) }
        #expect(taken == [false, true])
    }

    @Test("is not moved by a clock that goes back")
    func backwards() {
        var rate = Rate(perSecond: 10, burst: 1, at: start)
        let taken = [0, -5000, 50].map { rate.take(at: start + .milliseconds($0)) }
        #expect(taken == [true, false, false])
    }
}
