import Node
import Testing

@Suite("Asking again whoever is busy")
struct BusyTimeTests {
    @Test(
        "is for those who say so",
        arguments: [
            ("busy", true), ("busy: too many handshakes at once", true), ("busybody", false), ("Busy", false),
            ("not busy", false), ("", false), (" busy", false),
        ])
    func words(_ words: String, _ isBusy: Bool) {
        #expect(BusyTime.isBusy(words) == isBusy)
    }

    @Test("goes on until there is an answer", .timeLimit(.minutes(1)))
    func answered() async throws {
        var count = 0
        let answer = try await BusyTime.run { _ in
            count += 1
            if count < 4 { throw HopFailure.busy("busy: too many connections from your address") }
            return "an answer"
        }
        #expect(answer == "an answer" && count == 4)
    }

    @Test("ends with every other failure at once")
    func others() async throws {
        var count = 0
        await #expect(throws: HopFailure.friendAbsent) {
            try await BusyTime.run { _ in
                count += 1
                throw HopFailure.friendAbsent
            }
        }
        #expect(count == 1)
    }

    @Test("ends when its time is over, and says that it may be a limit", .timeLimit(.minutes(1)))
    func limit() async throws {
        #expect(BusyTime.limit == .seconds(5))
        let (start, limit) = (ContinuousClock.now, Duration.milliseconds(300))
        var count = 0
        await #expect(throws: HopFailure.busy("busy: too many")) {
            try await BusyTime.run(for: limit) { deadline in
                #expect(deadline - start <= limit + .milliseconds(100))
                count += 1
                throw HopFailure.busy("busy: too many")
            }
        }
        #expect(count > 1 && ContinuousClock.now - start >= limit)
        #expect("\(HopFailure.busy("busy: too many"))".contains("which may be a limit"))
    }
}
