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
        let sizes = Mutex([Int]())
        let commitTime = Duration.milliseconds(300)
        let perform: @Sendable ([Int]) -> [Int] = { requests in
            sizes.withLock { $0.append(requests.count) }
            // What is slow here is the disk, for everybody in the group together.
            Thread.sleep(forTimeInterval: commitTime / .seconds(1))
            return requests
        }
        let count = 80
        let clock = ContinuousClock()
        let time = try await clock.measure {
            // As through an endpoint's turns: eight of one invite ask at a time, and the next when one has its answer.
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for number in 0..<count {
                    if number >= QuestionTurns.inviteRunningLimit { try await tasks.next() }
                    tasks.addTask {
                        let answer = try await commits.answer(to: number, from: perform)
                        #expect(answer == number)
                    }
                }
                try await tasks.waitForAll()
            }
        }
        let groups = sizes.withLock(\.self)
        print("\(count) redemptions in \(time), \(groups.count) commits of 300 ms")
        #expect(Double(count) / (time / .seconds(1)) >= 10)
        #expect(groups.reduce(0, +) == count && groups.max() == QuestionTurns.inviteRunningLimit)

        // And all at once they need two.
        sizes.withLock { $0 = [] }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for number in 0..<100 {
                tasks.addTask { _ = try await commits.answer(to: number, from: perform) }
            }
            try await tasks.waitForAll()
        }
        #expect(sizes.withLock(\.count) <= 3)
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
