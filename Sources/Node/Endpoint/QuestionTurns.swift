internal import Account
internal import Synchronization
package import TypedSodium

/// Who may put a question to the keyring now: one of each friend at a time, in turns by key, and few in all.
///
/// The holders of one invite share its key, so several of them run at once, to be redeemed in one transaction. What
/// waits is bounded: where it is full the newest question of whoever has most of them is refused.
package final class QuestionTurns: Sendable {
    /// Too many wait.
    package struct TooMany: Error {}

    /// Whose turn it is.
    package enum Causer: Hashable, Sendable {
        /// A friend, by its key.
        case friend(PublicKey)
        /// Whoever holds this invite.
        case invite(PublicKey)
    }

    private typealias Waiter = CheckedContinuation<Void, any Error>

    private struct State {
        var waiting: Turns<Causer, Waiter>
        var running: [Causer: Int] = [:]
        var runningCount = 0
    }

    /// How many run at once, by all causers together; each may hold a thread that waits for the disk.
    package static let runningLimit = 16
    /// How many redemptions by one invite run at once: half of the places, so that others are never shut out by them.
    package static let inviteRunningLimit = 8
    /// How many wait: every session's question where 1,024 friends come at once.
    package static let waitingLimit = 1_024

    private let runningLimit: Int
    private let state: Mutex<State>

    /// Nobody asks as yet.
    package init(runningLimit: Int = runningLimit, waitingLimit: Int = waitingLimit) {
        self.runningLimit = runningLimit
        state = Mutex(State(waiting: Turns(limit: waitingLimit)))
    }

    /// How many wait for their turn.
    package var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Runs `body` when it is the causer's turn.
    ///
    /// - Throws: what `body` throws, or ``TooMany``.
    package func run<Value: Sendable>(
        for causer: Causer, _ body: @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (waiter: Waiter) in
            let (dropped, next) = state.withLock { state in
                (state.waiting.append(waiter, of: causer)?.element, takeNext(&state))
            }
            dropped?.resume(throwing: TooMany())
            next?.resume()
        }
        defer { leave(causer) }
        return try await body()
    }

    private func leave(_ causer: Causer) {
        let next = state.withLock { state in
            let left = (state.running[causer] ?? 1) - 1
            state.running[causer] = left > 0 ? left : nil
            state.runningCount -= 1
            return takeNext(&state)
        }
        next?.resume()
    }

    /// The next that may run, if any: each one that comes or leaves makes way for one at most.
    private func takeNext(_ state: inout State) -> Waiter? {
        guard state.runningCount < runningLimit else { return nil }
        let running = state.running
        guard let next = state.waiting.popFirst(where: { running[$0] ?? 0 < Self.limit(of: $0) }) else {
            return nil
        }
        state.running[next.causer, default: 0] += 1
        state.runningCount += 1
        return next.element
    }

    private static func limit(of causer: Causer) -> Int {
        switch causer {
        case .friend: 1
        case .invite: inviteRunningLimit
        }
    }
}
