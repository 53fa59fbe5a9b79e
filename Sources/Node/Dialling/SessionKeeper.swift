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
    /// How many former sessions may still be in use: a portal that asks for move after move is not to have more.
    private static let retiredLimit = 2
    /// After how long a session has done what it was for, so that its end is the first failure again.
    private static let steadyTime = Duration.seconds(10)
    /// How long a dial beside a session that is over may still take before another one begins.
    private static let besideTime = Duration.seconds(5)

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
    /// Those in whose place it came, which end with what is open on them; the oldest first.
    private var retired: [PeerConnection] = []
    private var waiters: [UInt64: CheckedContinuation<PeerConnection, any Error>] = [:]
    private var lastWaiter: UInt64 = 0
    private var hasStopped = false
    private let troubles: TroubleLog
    private var backoff = Backoff(earlyCeiling: Backoff.callerEarlyCeiling)
    /// Since when the current one stands.
    private var start = ContinuousClock.now
    /// Whether another one is being dialled beside it.
    private var isDiallingBeside = false

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
        var isFirst = true
        var successor: PeerConnection?
        while !Task.isCancelled {
            do {
                var next = successor
                successor = nil
                if next == nil { next = try await connect(asking: isFirst) }
                guard let connection = next else { continue }
                publish(connection)
                watch.connected(connection)
                if troubles.end() || !isFirst { logger.info("connected again") }
                if isFirst { try isReady() }
                isFirst = false
                start = .now
                let failure: HopFailure?
                switch await stay(in: connection) {
                case .succeeded(let other):
                    noteSteady()
                    retire(connection)
                    successor = other
                    continue
                case .over(let hop): failure = hop
                }
                watch.lost(failure?.description)
                noteSteady()
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
            await pause()
        }
        if let successor { await successor.close() }
    }

    /// Begins the pauses anew where the current session has done what it was for.
    private func noteSteady() {
        if .now - start >= Self.steadyTime { backoff.succeeded() }
    }

    private func pause() async {
        let pause = backoff.failed(at: .now(), fraction: .random(in: 0..<1))
        // Cancelled when the command ends: the loop's condition sees to the rest.
        try? await Task.sleep(for: .nanoseconds(pause.nanoseconds))
    }

    // MARK: Another session beside one that stands

    /// How a session came to be the current one no more.
    private enum Stay {
        case over(HopFailure?)
        /// Another one stands in its place.
        case succeeded(PeerConnection)
    }

    /// Stays in a session until it ends, or another one stands that was dialled beside it.
    private func stay(in connection: PeerConnection) async -> Stay {
        let (stays, continuation) = AsyncStream.makeStream(of: Stay.self)
        connection.ended.whenComplete { result in
            let failure = (try? result.get()) ?? nil
            continuation.yield(.over(failure.map { HopFailure($0) }))
        }
        let beside = Task {
            guard !triesOnce else { return }
            let other = await successor(of: connection)
            if case .terminated = continuation.yield(other.map(Stay.succeeded) ?? .over(nil)) {
                await other?.close()
            }
        }
        var stay = await withTaskCancellationHandler {
            await stays.first { _ in true }
        } onCancel: {
            Task { await connection.close() }
        }
        if case .over(let failure)? = stay {
            current = nil
            if isDiallingBeside, failure?.isFinal != true {
                let limit = Task {
                    try await Task.sleep(for: Self.besideTime)
                    continuation.yield(.over(failure))
                }
                if case .succeeded(let other)? = await stays.first(where: { _ in true }) {
                    stay = .succeeded(other)
                }
                limit.cancel()
            }
        }
        beside.cancel()
        continuation.finish()
        for await case .succeeded(let late) in stays { await late.close() }
        if case .succeeded(let other)? = stay { return .succeeded(other) }
        current = nil
        await connection.close()
        return stay ?? .over(nil)
    }

    /// The session that is dialled beside one where its portal wants that, or falls silent; `nil` once the task is
    /// cancelled, or where it does not stand and the first one is over meanwhile.
    private func successor(of connection: PeerConnection) async -> PeerConnection? {
        for await wish in connection.wishes.all {
            if let address = connection.address { dialler.caller.addresses.tried(address) }
            logger.info(
                wish == .move
                    ? "the portal's machine stops: going to another one"
                    : "the portal's machine is silent: dialling another one beside it",
                metadata: ["address": "\(connection.address?.words ?? "")"])
            // All whom a machine has asked to go are not to come at one moment: the first pause is such a one, too.
            if wish == .move {
                noteSteady()
                await pause()
            }
            while !Task.isCancelled {
                isDiallingBeside = true
                let other = try? await connect(asking: false, avoiding: connection.address)
                isDiallingBeside = false
                let isOver = current?.link !== connection.link
                if let other {
                    if wish == .move || isOver { return other }
                    if await connection.link.isSilent { return other }
                    await other.close()
                    break
                }
                if isOver { return nil }
                await pause()
                guard wish == .silence else { continue }
                guard await connection.link.isSilent else { break }
            }
        }
        return nil
    }

    /// Lets a session end with what is open in it.
    private func retire(_ connection: PeerConnection) {
        connection.link.retire()
        retired.append(connection)
        if retired.count > Self.retiredLimit {
            let oldest = retired.removeFirst()
            Task { await oldest.close() }
        }
        Task {
            _ = try? await connection.link.ended.get()
            retired.removeAll { $0.link === connection.link }
        }
    }

    /// Stands in a session; in the first one the service has to be offered.
    ///
    /// Later the target may be without it for a while.
    private func connect(
        asking: Bool, avoiding address: DialAddress? = nil
    ) async throws -> PeerConnection {
        let connection = try await dialler.connect(avoiding: address, on: eventLoop)
        connection.learnManners(isOnBattery: dialler.caller.isOnBattery)
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
        for connection in retired + (current.map { [$0] } ?? []) { await connection.close() }
        (current, retired) = (nil, [])
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
