internal import Logging
internal import MuxRPC
internal import NIOCore
internal import Transport
internal import Tunnel

/// Keeps one session with a target, dialling again whenever it ends, and hands it to whoever asks.
actor SessionKeeper {
    /// How long somebody waits for a session before being turned away: longer than a portal's restart takes.
    static let waitTime = Duration.seconds(30)
    /// How many may wait; each is a local connection with a descriptor.
    static let waiterLimit = 256

    /// Why nobody gets a session.
    enum Refusal: Error, Equatable {
        /// None stood in time.
        case timedOut
        /// Too many wait already.
        case tooManyWaiting
        /// The keeper has stopped.
        case stopped
    }

    private let dialler: Dialler
    private let eventLoop: any EventLoop
    private let logger: Logger
    private var current: PeerConnection?
    private var waiters: [UInt64: CheckedContinuation<PeerConnection, any Error>] = [:]
    private var lastWaiter: UInt64 = 0
    private var hasStopped = false

    init(dialler: Dialler, eventLoop: any EventLoop, logger: Logger) {
        self.dialler = dialler
        self.eventLoop = eventLoop
        self.logger = logger
    }

    /// The session, as soon as one stands.
    ///
    /// `failed` is one that the caller has found to be over.
    /// - Throws: ``Refusal``.
    func session(after failed: PeerConnection? = nil) async throws -> PeerConnection {
        if let current, current.link !== failed?.link { return current }
        guard !hasStopped else { throw Refusal.stopped }
        guard waiters.count < Self.waiterLimit else { throw Refusal.tooManyWaiting }
        lastWaiter += 1
        let number = lastWaiter
        let timeout = Task {
            try await Task.sleep(for: Self.waitTime)
            give(up: number, .timedOut)
        }
        defer { timeout.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiters[number] = $0 }
        } onCancel: {
            Task { await give(up: number, .stopped) }
        }
    }

    /// Stands in a first session.
    ///
    /// - Throws: ``HopFailure``: what fails now would fail for ever, or is for a person to see.
    func start() async throws {
        publish(try await dialler.connect(on: eventLoop))
    }

    /// Follows the session and dials again after its end, until the task is cancelled.
    func keep() async {
        var backoff = Backoff(earlyCeiling: Backoff.callerEarlyCeiling)
        while !Task.isCancelled {
            if let connection = current {
                let failure = (try? await ended(connection)) ?? nil
                current = nil
                await connection.close()
                if Task.isCancelled { break }
                backoff.succeeded()
                logger.warning(
                    "the session is over: dialling again",
                    metadata: ["reason": "\(failure.map { HopFailure($0).description } ?? "goodbye")"])
            }
            let pause = backoff.failed(at: .now(), fraction: .random(in: 0..<1))
            try? await Task.sleep(for: .nanoseconds(pause.nanoseconds))
            if Task.isCancelled { break }
            do {
                publish(try await dialler.connect(on: eventLoop))
                logger.info("connected again")
            } catch {
                logger.warning("no session yet", metadata: ["reason": "\(error)"])
            }
        }
        await stop()
    }

    private func ended(_ connection: PeerConnection) async throws -> SessionFailure? {
        try await withTaskCancellationHandler {
            try await connection.ended.get()
        } onCancel: {
            Task { await connection.close() }
        }
    }

    private func publish(_ connection: PeerConnection) {
        current = connection
        for waiter in waiters.values { waiter.resume(returning: connection) }
        waiters = [:]
    }

    private func give(up number: UInt64, _ refusal: Refusal) {
        waiters.removeValue(forKey: number)?.resume(throwing: refusal)
    }

    private func stop() async {
        hasStopped = true
        for number in Array(waiters.keys) { give(up: number, .stopped) }
        if let connection = current { await connection.close() }
        current = nil
    }
}

extension SessionKeeper.Refusal: CustomStringConvertible {
    var description: String {
        switch self {
        case .timedOut: "no session stood within \(SessionKeeper.waitTime.components.seconds) s"
        case .tooManyWaiting: "\(SessionKeeper.waiterLimit) connections wait for a session already"
        case .stopped: "forwarding has ended"
        }
    }
}
