import Node
import Synchronization
import Testing
import TypedSodium

@Suite("Turns of questions", .timeLimit(.minutes(1)))
struct QuestionTurnsTests {
    /// What runs, each until it is let go.
    private final class Stage: Sendable {
        private struct State {
            var begun: [String] = []
            var waiting: [String: CheckedContinuation<Void, Never>] = [:]
        }

        private let state = Mutex(State())

        var begun: [String] { state.withLock(\.begun) }

        func hold(_ name: String) async {
            await withCheckedContinuation { continuation in
                state.withLock { state in
                    state.begun.append(name)
                    state.waiting[name] = continuation
                }
            }
        }

        func release(_ name: String) {
            state.withLock { $0.waiting.removeValue(forKey: name) }?.resume()
        }

        func wait(for count: Int) async {
            while begun.count < count { await Task.yield() }
        }
    }

    private let stage = Stage()
    private let anna: QuestionTurns.Causer
    private let ben: QuestionTurns.Causer
    private let invite: QuestionTurns.Causer

    init() throws {
        anna = .friend(try Identity.random().publicKey)
        ben = .friend(try Identity.random().publicKey)
        invite = .invite(try Identity.random().publicKey)
    }

    /// Asks, and returns when the question runs or waits.
    private func ask(
        _ name: String, of causer: QuestionTurns.Causer, in turns: QuestionTurns
    ) async -> Task<Bool, Never> {
        let (waitingCount, begunCount) = (turns.waitingCount, stage.begun.count)
        let task = Task {
            do {
                try await turns.run(for: causer) { await stage.hold(name) }
                return true
            } catch {
                return false
            }
        }
        while turns.waitingCount == waitingCount, stage.begun.count == begunCount { await Task.yield() }
        return task
    }

    @Test("one of a friend runs at a time, and another friend's beside it")
    func oneEach() async throws {
        let turns = QuestionTurns()
        var tasks = [await ask("anna 1", of: anna, in: turns), await ask("anna 2", of: anna, in: turns)]
        tasks.append(await ask("ben 1", of: ben, in: turns))
        #expect(stage.begun == ["anna 1", "ben 1"] && turns.waitingCount == 1)
        stage.release("anna 1")
        await stage.wait(for: 3)
        #expect(stage.begun.last == "anna 2")
        for name in ["anna 2", "ben 1"] { stage.release(name) }
        for task in tasks { #expect(await task.value) }
    }

    @Test("who has brought one waits for one of each, however many another has brought")
    func inTurns() async throws {
        let turns = QuestionTurns(runningLimit: 1)
        var tasks: [Task<Bool, Never>] = []
        for number in 1...4 { tasks.append(await ask("anna \(number)", of: anna, in: turns)) }
        tasks.append(await ask("ben 1", of: ben, in: turns))
        let order = ["anna 1", "anna 2", "ben 1", "anna 3", "anna 4"]
        for (index, name) in order.enumerated() {
            await stage.wait(for: index + 1)
            stage.release(name)
        }
        for task in tasks { #expect(await task.value) }
        #expect(stage.begun == order)
    }

    @Test("what is too much is refused to whoever has brought most")
    func bounded() async throws {
        let turns = QuestionTurns(runningLimit: 1, waitingLimit: 3)
        var tasks: [Task<Bool, Never>] = []
        for number in 1...4 { tasks.append(await ask("anna \(number)", of: anna, in: turns)) }
        await #expect(throws: QuestionTurns.TooMany.self) { try await turns.run(for: anna) {} }
        // The newcomer's own is taken; the newest of the other gives way.
        let newcomer = Task { try await turns.run(for: ben) { await stage.hold("ben 1") } }
        #expect(await tasks[3].value == false)
        for (index, name) in ["anna 1", "anna 2", "ben 1", "anna 3"].enumerated() {
            await stage.wait(for: index + 1)
            stage.release(name)
        }
        try await newcomer.value
        for task in tasks[..<3] { #expect(await task.value) }
    }

    @Test("redemptions by one invite share a transaction, and leave places to others")
    func invites() async throws {
        let turns = QuestionTurns()
        var tasks: [Task<Bool, Never>] = []
        for number in 1...(QuestionTurns.inviteRunningLimit + 1) {
            tasks.append(await ask("holder \(number)", of: invite, in: turns))
        }
        #expect(stage.begun.count == QuestionTurns.inviteRunningLimit && turns.waitingCount == 1)
        tasks.append(await ask("anna 1", of: anna, in: turns))
        #expect(stage.begun.last == "anna 1")
        stage.release("holder 1")
        await stage.wait(for: tasks.count)
        for name in stage.begun { stage.release(name) }
        for task in tasks { #expect(await task.value) }
    }
}
