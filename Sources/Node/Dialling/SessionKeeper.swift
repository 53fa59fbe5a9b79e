internal import Connection
internal import Logging
internal import MuxRPC
internal import NIOCore
internal import Transport
internal import Tunnel

/// Keeps one session with a target, dialling again whenever there is none, and hands it to whoever asks.
///
/// What fails is tried again with longer and longer pauses, at the start as later on, and said by the hop that failed,
/// as ``Troubles`` decides; what stays so until a person has done something about it ends it.
actor SessionKeeper {
    /// How long somebody waits for a session before being turned away: longer than a portal's restart takes.
    static let waitTime = Duration.seconds(30)
    /// How many may wait; each is a local connection with a descriptor.
    static let waiterLimit = 256
    /// After how long a session has done what it was for, so that its end is the first failure again.
    private static let steadyTime = Duration.seconds(10)

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
    private let offer: ServiceOffer
    private let triesOnce: Bool
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let watch: ForwardWatch
    private var current: PeerConnection?
    private var waiters: [UInt64: CheckedContinuation<PeerConnection, any Error>] = [:]
    private var lastWaiter: UInt64 = 0
    private var hasStopped = false
    private let troubles: TroubleLog

    /// A keeper of sessions in which a service is offered; where it `triesOnce`, any failure ends it.
    init(
        dialler: Dialler, offering offer: ServiceOffer, triesOnce: Bool, eventLoop: any EventLoop,
        watch: ForwardWatch = ForwardWatch(), logger: Logger
    ) {
        self.dialler = dialler
        self.offer = offer
        self.triesOnce = triesOnce
        self.eventLoop = eventLoop
        self.logger = logger
        self.watch = watch
        troubles = TroubleLog(logger)
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

    /// Dials, follows the session, and dials again, until the task is cancelled; `isReady` is called when the first one
    /// stands.
    ///
    /// - Throws: what is final: ``HopFailure`` or ``DestinationError``; and what `isReady` throws.
    func keep(_ isReady: @Sendable () throws -> Void) async throws {
        let result: Result<Void, any Error>
        do {
            result = .success(try await dialOnAndOn(isReady))
        } catch {
            result = .failure(error)
        }
        await stop()
        if !Task.isCancelled { try result.get() }
    }

    private func dialOnAndOn(_ isReady: @Sendable () throws -> Void) async throws {
        var backoff = Backoff(earlyCeiling: Backoff.callerEarlyCeiling)
        var isFirst = true
        while !Task.isCancelled {
            do {
                let connection = try await connect(asking: isFirst)
                publish(connection)
                watch.connected(connection)
                if troubles.end() || !isFirst { logger.info("connected again") }
                if isFirst { try isReady() }
                isFirst = false
                let start = ContinuousClock.now
                let failure = await end(of: connection)
                watch.lost(failure?.description)
                if ContinuousClock.now - start >= Self.steadyTime { backoff.succeeded() }
                if let failure, failure.isFinal { throw failure }
                guard !triesOnce else {
                    throw failure ?? .connectionLost("the other side has said goodbye")
                }
                logger.warning(
                    "the session is over: dialling again",
                    metadata: ["reason": "\(failure.map(\.description) ?? "goodbye")"])
            } catch let failure as HopFailure where !failure.isFinal && !triesOnce {
                guard !Task.isCancelled else { return }
                watch.lost("\(failure)")
                troubles.say(
                    .warning, "no session yet: dialling on until there is one", reason: "\(failure)",
                    as: "\(failure.progress)")
            }
            let pause = backoff.failed(at: .now(), fraction: .random(in: 0..<1))
            // Cancelled when the command ends: the loop's condition sees to the rest.
            try? await Task.sleep(for: .nanoseconds(pause.nanoseconds))
        }
    }

    /// Stands in a session; in the first one the service has to be offered.
    ///
    /// Later the target may be without it for a while.
    private func connect(asking: Bool) async throws -> PeerConnection {
        let connection = try await dialler.connect(on: eventLoop)
        guard asking else { return connection }
        do {
            try await withTaskCancellationHandler {
                try await offer.awaitOffer(in: connection, logger)
            } onCancel: {
                Task { await connection.close() }
            }
        } catch {
            await connection.close()
            throw error
        }
        return connection
    }

    private func end(of connection: PeerConnection) async -> HopFailure? {
        let failure = await withTaskCancellationHandler {
            (try? await connection.ended.get()) ?? nil
        } onCancel: {
            Task { await connection.close() }
        }
        current = nil
        await connection.close()
        return failure.map { HopFailure($0) }
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
