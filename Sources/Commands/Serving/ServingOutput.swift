internal import Dispatch
package import Node
internal import ServiceLifecycle
internal import Synchronization

/// The results of a command that serves: nothing that serves waits for whoever reads them, not even for the end.
package final class ServingOutput: Service, Sendable {
    private struct Waiting {
        var count = 0
        var hasLeftOut = false
    }

    /// How long the process waits at its end for what is not written yet.
    private static let finishTime = Duration.milliseconds(250)
    /// How many results wait for their reader: a portal that comes and goes has one printed each time.
    package static let limit = 1_024

    private let queue = DispatchQueue(label: "cway.output")
    private let waiting = Mutex(Waiting())
    private let (failures, continuation) = AsyncThrowingStream.makeStream(of: Never.self)

    package init() {}

    /// The same environment, whose results are written in their order by a thread of their own.
    package func taking(from environment: CommandEnvironment) -> CommandEnvironment {
        environment.writing { [self] text in
            guard takesPlace() else { return }
            queue.async { [self] in
                do {
                    try environment.output(text)
                } catch {
                    continuation.finish(throwing: CommandFailure(undelivered: error))
                }
                waiting.withLock { $0.count -= 1 }
            }
        }
    }

    /// Whether there is room for one more result; what is left out for want of it is not forgotten.
    private func takesPlace() -> Bool {
        waiting.withLock { waiting in
            guard waiting.count < Self.limit else {
                waiting.hasLeftOut = true
                return false
            }
            waiting.count += 1
            return true
        }
    }

    /// Ends with the command.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/standardStreamFailed`` when a result could not be delivered.
    package func run() async throws {
        for try await _ in failures.cancelOnGracefulShutdown() {}
    }

    /// Waits until everything is written, for a limited time.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/standardStreamFailed`` where results were left out.
    package func finish() async throws(CommandFailure) {
        let (ends, continuation) = AsyncStream.makeStream(of: Void.self)
        queue.async { continuation.finish() }
        let timer = Task {
            try? await Task.sleep(for: Self.finishTime)
            continuation.finish()
        }
        for await _ in ends {}
        timer.cancel()
        guard !waiting.withLock({ $0.hasLeftOut }) else {
            throw CommandFailure(
                .standardStreamFailed,
                "nobody read standard output for so long that results were left out: "
                    + "read it, or send it to a file")
        }
    }
}
