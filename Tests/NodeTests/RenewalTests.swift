import Node
import Testing

@Suite("Renewal")
struct RenewalTests {
    private let day: UInt64 = 86_400
    private let midnight: UInt64 = 20_000 * 86_400

    @Test("comes once a day, at another moment of its first hours each time", arguments: 0..<20)
    func daily(_ round: UInt64) {
        var renewal = Renewal(now: midnight - day + round * 4_000)
        var due: [UInt64] = []
        for now in stride(from: midnight - day + round * 4_000, to: midnight + 3 * day, by: 60)
        where renewal.isDue(now: now) {
            due.append(now)
        }
        #expect(due.map { $0 / day } == [20_000, 20_001, 20_002])
        // A minute later at most, because it is asked once a minute.
        #expect(due.allSatisfy { $0 % day < Renewal.spreadSeconds + 60 })
    }

    /// What a renewal made at the first time answers at the others, one after the other.
    private func answers(_ times: UInt64...) -> [Bool] {
        var renewal = Renewal(now: times[0])
        return times.dropFirst().map { renewal.isDue(now: $0) }
    }

    @Test("comes at once when the clock was set on past it, and then the next day again")
    func setForward() {
        let later = midnight + 5 * day + 70_000
        let next = midnight + 6 * day + Renewal.spreadSeconds
        #expect(
            answers(midnight + 50_000, midnight + 50_060, later, later + 60, next)
                == [false, true, false, true])
    }

    @Test("comes at once when the clock was set back by two days, whose tokens were not announced")
    func setBack() {
        for seconds in stride(from: UInt64(0), to: day, by: 3_000) {
            let (now, former) = (midnight + seconds, midnight + seconds - 2 * day)
            #expect(answers(now, now - 3_600, former, former + 60) == [false, true, false])
        }
    }
}
