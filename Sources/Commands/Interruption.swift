internal import ArgumentParser
internal import UnixSignals

/// Lets SIGINT and SIGTERM end a command in order: its task is cancelled and given time to say goodbye.
enum Interruption {
    /// How long the work may take to end; 5 s are promised, and a goodbye takes 4 s at most.
    static let grace = Duration.milliseconds(4500)

    private enum Outcome<Value: Sendable>: Sendable {
        case done(Result<Value, any Error>)
        case signal(UnixSignal)
        case outOfTime
    }

    /// Runs `work` until it is done or, after a signal, has ended in order.
    ///
    /// - Throws: what `work` throws; after a signal `ExitCode` with the shell's number for it, 130 or 143. A second
    ///   signal does not wait.
    static func run<Value: Sendable>(
        _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let (outcomes, continuation) = AsyncStream.makeStream(of: Outcome<Value>.self)
        let worker = Task {
            do {
                continuation.yield(.done(.success(try await work())))
            } catch {
                continuation.yield(.done(.failure(error)))
            }
        }
        let listener = Task {
            for await signal in signals { continuation.yield(.signal(signal)) }
        }
        defer { listener.cancel() }
        return try await withTaskCancellationHandler {
            try await first(of: outcomes, continuation, worker)
        } onCancel: {
            worker.cancel()
        }
    }

    private static func first<Value: Sendable>(
        of outcomes: AsyncStream<Outcome<Value>>, _ continuation: AsyncStream<Outcome<Value>>.Continuation,
        _ worker: Task<Void, Never>
    ) async throws -> Value {
        var signalled: UnixSignal?
        var timer: Task<Void, Never>?
        defer { timer?.cancel() }
        for await outcome in outcomes {
            switch outcome {
            case .done(let result):
                if let signalled { throw code(of: signalled) }
                return try result.get()
            case .signal(let signal):
                if let signalled { throw code(of: signalled) }
                signalled = signal
                worker.cancel()
                timer = Task {
                    try? await Task.sleep(for: grace)
                    continuation.yield(.outOfTime)
                }
            case .outOfTime:
                if let signalled { throw code(of: signalled) }
            }
        }
        throw CancellationError()
    }

    private static func code(of signal: UnixSignal) -> ExitCode { ExitCode(128 + signal.rawValue) }
}
