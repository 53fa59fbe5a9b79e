internal import Dispatch
internal import ServiceLifecycle

/// The results of a command that serves: nothing that serves waits for whoever reads them, not even for the end.
final class ServingOutput: Service, Sendable {
    /// How long the process waits at its end for what is not written yet.
    private static let finishTime = Duration.milliseconds(250)

    private let queue = DispatchQueue(label: "cway.output")
    private let (failures, continuation) = AsyncThrowingStream.makeStream(of: Never.self)

    /// The same surroundings, whose results are written in their order by a thread of their own.
    func taking(from surroundings: Surroundings) -> Surroundings {
        surroundings.writing { [queue, continuation] text in
            queue.async {
                do {
                    try surroundings.output(text)
                } catch {
                    continuation.finish(throwing: CommandFailure(undelivered: error))
                }
            }
        }
    }

    /// Ends with the command.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/standardStreamFailed`` when a result could not be delivered.
    func run() async throws {
        for try await _ in failures.cancelOnGracefulShutdown() {}
    }

    /// Waits until everything is written, for a limited time.
    func finish() async {
        let (ends, continuation) = AsyncStream.makeStream(of: Void.self)
        queue.async { continuation.finish() }
        let timer = Task {
            try? await Task.sleep(for: Self.finishTime)
            continuation.finish()
        }
        for await _ in ends {}
        timer.cancel()
    }
}
