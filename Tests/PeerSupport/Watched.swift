internal import Synchronization

/// A value that changes on other threads, and can be awaited until it is as wanted.
package final class Watched<Value: Sendable>: Sendable {
    private struct State {
        var value: Value
        var lastNumber = 0
        var watchers: [Int: AsyncStream<Void>.Continuation] = [:]
    }

    private let state: Mutex<State>

    package init(_ value: Value) { state = Mutex(State(value: value)) }

    package var value: Value { state.withLock { $0.value } }

    package func update(_ change: (inout Value) -> Void) {
        let watchers = state.withLock { state in
            change(&state.value)
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.yield() }
    }

    /// What `pick` finds in the value as soon as it finds something.
    ///
    /// The limit is a deadline, not a wait: nothing is slower for a longer one. Where the pool of threads is so busy that
    /// the deadline comes to pass before a change is looked at, there is a last look.
    ///
    /// - Throws: ``Late`` when nothing was found in time, and what `pick` throws.
    package func first<Found: Sendable>(
        within limit: Duration = .eventDeadline, _ pick: @escaping @Sendable (Value) throws -> Found?
    ) async throws -> Found {
        let (changes, continuation) = AsyncStream.makeStream(
            of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.lastNumber += 1
            state.watchers[state.lastNumber] = continuation
            return state.lastNumber
        }
        defer { state.withLock { _ = $0.watchers.removeValue(forKey: number) } }
        continuation.yield()
        do {
            return try await before(limit) { [self] in
                for await _ in changes {
                    if let found = try pick(value) { return found }
                }
                throw CancellationError()
            }
        } catch let late as Late {
            guard let found = try pick(value) else { throw late }
            return found
        }
    }
}

extension Duration {
    /// How long an event is waited for: long enough for a slow machine in the midst of all tests.
    package static let eventDeadline = Duration.seconds(60)
}

/// Something did not happen before its deadline.
package struct Late: Error, CustomStringConvertible {
    package let limit: Duration

    package init(limit: Duration) { self.limit = limit }

    package var description: String { "it had not happened after \(limit)" }
}

/// Runs `body`, and cancels it at a deadline.
///
/// - Throws: ``Late``, and what `body` throws.
package func before<Value: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { tasks in
        tasks.addTask(operation: body)
        tasks.addTask {
            try await Task.sleep(for: limit)
            throw Late(limit: limit)
        }
        defer { tasks.cancelAll() }
        guard let value = try await tasks.next() else { throw CancellationError() }
        return value
    }
}
