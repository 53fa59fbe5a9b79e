internal import Synchronization

/// Lets those who ask at once share what one of them has to wait for: a transaction's way to the disk.
///
/// While one group is under way the next one gathers, so that however slow the disk is, everybody waits for two
/// transactions at most. At most ``groupLimit`` are answered together, and ``waiterLimit`` wait; who comes then is
/// refused, rather than that memory is.
package final class GroupCommit<Request: Sendable, Answer: Sendable>: Sendable {
    /// Too many wait.
    package struct TooMany: Error {}

    private struct Waiter {
        let request: Request
        let continuation: CheckedContinuation<Answer, any Error>
    }

    private struct State {
        var waiters: [Waiter] = []
        var isRunning = false
    }

    /// How many are answered together at most.
    package static var groupLimit: Int { 128 }
    /// How many wait at most.
    package static var waiterLimit: Int { 4_096 }

    private let state = Mutex(State())

    /// Nobody asks as yet.
    package init() {}

    /// How many wait for the next group.
    package var waiterCount: Int { state.withLock { $0.waiters.count } }

    /// Answers a request by `perform`, the same for all who ask: it answers a group, each in its place, on a thread that
    /// may block, and what it throws is everybody's.
    ///
    /// - Throws: what `perform` throws, or ``TooMany``.
    package func answer(
        to request: Request, from perform: @escaping @Sendable ([Request]) throws -> [Answer]
    ) async throws -> Answer {
        try await answer(
            to: request, awaiting: { requests in try await Blocking.run { try perform(requests) } })
    }

    /// Answers a request by `perform`, the same for all who ask, which waits by itself for whatever it needs.
    ///
    /// - Throws: what `perform` throws, or ``TooMany``.
    package func answer(
        to request: Request, awaiting perform: @escaping @Sendable ([Request]) async throws -> [Answer]
    ) async throws -> Answer {
        try await withCheckedThrowingContinuation { continuation in
            let begins: Bool? = state.withLock { state in
                guard state.waiters.count < Self.waiterLimit else { return nil }
                state.waiters.append(Waiter(request: request, continuation: continuation))
                defer { state.isRunning = true }
                return !state.isRunning
            }
            switch begins {
            case nil: continuation.resume(throwing: TooMany())
            case true?: Task { await run(perform) }
            case false?: break
            }
        }
    }

    /// Answers one group after another until nobody waits.
    private func run(_ perform: @escaping @Sendable ([Request]) async throws -> [Answer]) async {
        while true {
            let group = state.withLock { state in
                let group = Array(state.waiters.prefix(Self.groupLimit))
                state.waiters.removeFirst(group.count)
                if group.isEmpty { state.isRunning = false }
                return group
            }
            guard !group.isEmpty else { return }
            let requests = group.map(\.request)
            do {
                let answers = try await perform(requests)
                precondition(answers.count == requests.count, "everybody is answered")
                for (waiter, answer) in zip(group, answers) { waiter.continuation.resume(returning: answer) }
            } catch {
                for waiter in group { waiter.continuation.resume(throwing: error) }
            }
        }
    }
}
