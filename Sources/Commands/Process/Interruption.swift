internal import ArgumentParser
internal import NIOCore
internal import NIOPosix
internal import Node
internal import UnixSignals

/// Lets SIGINT and SIGTERM end a command in order: its task is cancelled and given time to say goodbye.
///
/// SIGHUP leaves it a moment to end by itself before that: ssh ends its ProxyCommand with one right behind the end of
/// the input, and what is under way then is a normal end on both sides. A command that `endsWithInput` has that moment
/// after any signal: Ctrl-C reaches ssh and its ProxyCommand alike, and the input ends when ssh does.
enum Interruption {
    /// How long the work may take to end; 5 s are promised, and a goodbye takes 4 s at most.
    static let grace = Duration.milliseconds(4500)

    /// How long a command may take to end by itself after SIGHUP.
    static let hangUpTime = Duration.seconds(1)

    private enum Outcome<Value: Sendable>: Sendable {
        case done(Result<Value, any Error>)
        case signal(UnixSignal)
        case hangUpOver
        case outOfTime
    }

    /// Runs `work` until it is done or, after a signal, has ended in order.
    ///
    /// - Throws: what `work` throws; after a signal `ExitCode` with the shell's number for it: 129, 130 or 143. A second
    ///   signal does not wait.
    static func run<Value: Sendable>(
        endsWithInput: Bool = false, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let trapped: [UnixSignal] = HangUp.isIgnored() ? [.sigint, .sigterm] : [.sighup, .sigint, .sigterm]
        let signals = await UnixSignalsSequence(trapping: trapped)
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
            try await first(of: outcomes, continuation, worker, endsWithInput)
        } onCancel: {
            worker.cancel()
        }
    }

    /// Runs `work` on an event loop of its own, in order as well, and names what fails.
    ///
    /// - Throws: ``CommandFailure`` for an error that has a code of its own, any other as it is.
    static func run<Value: Sendable>(
        endsWithInput: Bool = false, _ work: @escaping @Sendable (any EventLoop) async throws -> Value
    ) async throws -> Value {
        try await run(endsWithInput: endsWithInput) {
            let group = try EventLoops.make(1)
            let result: Result<Value, any Error>
            do {
                result = .success(try await work(group.next()))
            } catch is Dialler.Abandoned {
                // Dialling goes on for a while in the group's thread, which ends with the process.
                throw CancellationError()
            } catch {
                result = .failure(CommandFailure(naming: error) ?? error)
            }
            try? await group.shutdownGracefully()
            return try result.get()
        }
    }

    private static func first<Value: Sendable>(
        of outcomes: AsyncStream<Outcome<Value>>, _ continuation: AsyncStream<Outcome<Value>>.Continuation,
        _ worker: Task<Void, Never>, _ endsWithInput: Bool
    ) async throws -> Value {
        var signalled: UnixSignal?
        // The first signal after which there is a moment to end.
        var awaited: UnixSignal?
        var timers: [Task<Void, Never>] = []
        defer { for timer in timers { timer.cancel() } }
        func time(_ duration: Duration, _ outcome: Outcome<Value>) {
            timers.append(
                Task {
                    try? await Task.sleep(for: duration)
                    continuation.yield(outcome)
                })
        }
        func end(after signal: UnixSignal) {
            signalled = signal
            worker.cancel()
            time(grace, .outOfTime)
        }
        for await outcome in outcomes {
            switch outcome {
            case .done(let result):
                if let signalled { throw code(of: signalled) }
                if let awaited, awaited != .sighup { throw code(of: awaited) }
                return try result.get()
            case .signal(let signal):
                if let signalled { throw code(of: signalled) }
                if awaited == nil, endsWithInput || signal == .sighup {
                    awaited = signal
                    time(hangUpTime, .hangUpOver)
                } else {
                    end(after: signal)
                }
            case .hangUpOver:
                if signalled == nil { end(after: awaited ?? .sighup) }
            case .outOfTime:
                if let signalled { throw code(of: signalled) }
            }
        }
        throw CancellationError()
    }

    private static func code(of signal: UnixSignal) -> ExitCode { ExitCode(128 + signal.rawValue) }
}
