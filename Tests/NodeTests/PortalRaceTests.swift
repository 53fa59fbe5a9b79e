import Multiserver
import Synchronization
import Testing

@testable import Node

/// Without any connection: the ways are numbers.
@Suite("A race of portals, or of a portal's addresses", .timeLimit(.minutes(1)))
struct PortalRaceTests {
    private static let absent = HopFailure.targetAbsent("nobody")

    /// When which way was begun.
    private final class Starts: Sendable {
        private let all = Mutex<[Int]>([])

        var ways: [Int] { all.withLock(\.self) }

        func note(_ way: Int) { all.withLock { $0.append(way) } }
    }

    private let starts = Starts()

    private func race(
        headStart: Duration, _ attempt: @escaping PortalRace<Int, Int>.Attempt
    ) -> PortalRace<Int, Int> {
        var race = PortalRace<Int, Int>(ways: [0, 1, 2]) { [starts] way, stood in
            starts.note(way)
            return try await attempt(way, stood)
        } close: { _ in
        }
        race.headStart = headStart
        return race
    }

    /// Is as silent as a machine that is gone.
    private static func silence() async throws -> Int {
        try await Task.sleep(for: .seconds(100))
        throw CancellationError()
    }

    @Test("gives one where a connection stands longer than one that does not answer")
    func standing() async throws {
        let clock = ContinuousClock()
        let start = clock.now
        var race = race(headStart: .milliseconds(300)) { way, stood in
            guard way == 0 else { return way }
            stood()
            return try await Self.silence()
        }
        race.standingTime = .milliseconds(300)
        #expect(try await race.run() == 1)
        #expect(clock.now - start >= .milliseconds(600))
        #expect(starts.ways == [0, 1])
    }

    @Test("waits no longer than a while behind a portal's word, though some were never begun")
    func waitedEnough() async throws {
        var race = race(headStart: .seconds(100)) { way, _ in
            if way == 0 { throw Self.absent }
            return try await Self.silence()
        }
        race.wordTime = .zero
        await #expect(throws: Self.absent) { try await race.run() }
        #expect(starts.ways.first == 0 && !starts.ways.contains(2))
    }
}
