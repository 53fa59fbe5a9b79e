import Foundation
import Node
import Synchronization
import Testing

@Suite("Groups that share a transaction")
struct GroupCommitTests {
    private struct DiskIsFull: Error {}

    @Test(
        "whoever comes while one is under way shares the next, and each has its own answer",
        .timeLimit(.minutes(1)))
    func shares() async throws {
        let commits = GroupCommit<Int, Int>()
        let disk = DispatchSemaphore(value: 0)
        let sizes = Mutex([Int]())
        let perform: @Sendable ([Int]) -> [Int] = { requests in
            let isFirst = sizes.withLock { sizes in
                sizes.append(requests.count)
                return sizes.count == 1
            }
            // However slow the disk is.
            if isFirst { disk.wait() }
            return requests.map { $0 * 10 }
        }
        try await withThrowingTaskGroup(of: Bool.self) { tasks in
            tasks.addTask { try await commits.answer(to: 0, from: perform) == 0 }
            while sizes.withLock(\.isEmpty) { await Task.yield() }
            for number in 1...100 {
                tasks.addTask { try await commits.answer(to: number, from: perform) == number * 10 }
            }
            while commits.waiterCount < 100 { await Task.yield() }
            disk.signal()
            for try await isRight in tasks { #expect(isRight) }
        }
        #expect(sizes.withLock(\.self) == [1, 100])
        #expect(try await commits.answer(to: 7, from: perform) == 70)
    }

    @Test(
        "however slow the disk is, at least ten a second are committed, because groups grow",
        .timeLimit(.minutes(1)))
    func slowDisk() async throws {
        let commits = GroupCommit<Int, Int>()
        let disk = SlowDisk()
        let count = 80
        // As through an endpoint's turns: eight of one invite ask at a time, and the next when one has its answer.
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for number in 0..<count {
                if number >= QuestionTurns.inviteRunningLimit { try await tasks.next() }
                tasks.addTask {
                    disk.asked()
                    let answer = try await commits.answer(to: number) {
                        disk.commit($0, whileWaiting: QuestionTurns.inviteRunningLimit, of: count)
                    }
                    #expect(answer == number)
                }
            }
            try await tasks.waitForAll()
        }
        let groups = disk.takeSizes()
        #expect(groups.reduce(0, +) == count && groups.max() ?? 0 <= QuestionTurns.inviteRunningLimit)
        // A commit of 300 ms, which is a slow one, is what all of a group take together.
        #expect(Double(count) / (Double(groups.count) * 0.3) >= 10, "\(groups)")

        // And all at once they need two.
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for number in 0..<100 {
                tasks.addTask {
                    disk.asked()
                    _ = try await commits.answer(to: number) {
                        disk.commit($0, whileWaiting: 100, of: count + 100)
                    }
                }
            }
            try await tasks.waitForAll()
        }
        #expect(disk.takeSizes().count <= 3)
    }

    @Test("what fails is told to everybody in the group, and the next one is served", .timeLimit(.minutes(1)))
    func fails() async throws {
        let commits = GroupCommit<Int, Int>()
        await #expect(throws: DiskIsFull.self) {
            try await commits.answer(to: 1) { _ in throw DiskIsFull() }
        }
        #expect(try await commits.answer(to: 1) { $0 } == 1)
    }
}

/// A disk that takes as long over a commit as others need to ask meanwhile.
private final class SlowDisk: Sendable {
    private struct State {
        var askedCount = 0
        var committedCount = 0
        var sizes: [Int] = []
    }

    private let state = Mutex(State())

    func asked() { state.withLock { $0.askedCount += 1 } }

    /// Commits a group once as many as may ask at a time have asked, or all.
    func commit(_ requests: [Int], whileWaiting limit: Int, of count: Int) -> [Int] {
        let before = state.withLock(\.committedCount)
        let end = ContinuousClock.now + .seconds(10)
        while state.withLock({ $0.askedCount < min(count, before + limit) }), ContinuousClock.now < end {
            Thread.sleep(forTimeInterval: 0.001)
        }
        state.withLock {
            $0.committedCount += requests.count
            $0.sizes.append(requests.count)
        }
        return requests
    }

    func takeSizes() -> [Int] {
        state.withLock { state in
            defer { state.sizes = [] }
            return state.sizes
        }
    }
}
