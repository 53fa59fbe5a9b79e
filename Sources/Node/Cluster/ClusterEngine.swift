package import Logging
package import NATS
internal import NIOCore
internal import Synchronization
package import Transport

/// NATS as a machine of a cluster has it: a connection that is made again by libnats, and by us where that has given up,
/// such as after the servers have refused our credentials.
///
/// Nothing here blocks its caller, and nothing is kept while there is no connection.
package final class ClusterEngine: Sendable {
    /// What happens, told on any thread.
    package enum Event: Sendable {
        /// There is a connection, to a server with that address.
        case up
        /// There is none at the moment.
        case down
        /// A message came to a subject.
        case message(NATSMessage)
    }

    /// What became of messages, over all connections, and how NATS is.
    package struct Condition: Sendable {
        /// Whether there is a connection.
        package var isConnected = false
        /// The server that it stands with.
        package var server: String?
        /// What was published, and dropped before that.
        package var counts = EnginePublisher.Counts()
        /// Messages that were lost because they were not taken fast enough.
        package var lostCount: Int64 = 0
        /// Why there is no connection, where that is known.
        package var complaint: String?
    }

    private struct Session: Sendable {
        let connection: NATSConnection
        let publisher: EnginePublisher
        let subscriptions: [NATSSubscription]
    }

    private struct State {
        var session: Session?
        var condition = Condition()
    }

    private static let pauses: [Duration] = [
        .seconds(1), .seconds(2), .seconds(4), .seconds(8), .seconds(15), .seconds(30),
    ]

    private let settings: NATSSettings
    private let subjects: [String]
    private let logger: Logger
    private let tell: @Sendable (Event) -> Void
    private let state = Mutex(State())

    /// NATS with these subjects, once ``run()`` is called.
    package init(
        _ settings: NATSSettings, subjects: [String], logger: Logger,
        tell: @escaping @Sendable (Event) -> Void
    ) {
        self.settings = settings
        self.subjects = subjects
        self.logger = logger
        self.tell = tell
    }

    /// How NATS is at this moment.
    package var condition: Condition {
        state.withLock { state in
            var condition = state.condition
            if let counts = state.session?.publisher.counts { condition.counts.add(counts) }
            return condition
        }
    }

    /// Publishes a message when its turn has come, where there is a connection then.
    package func publish(_ payload: [UInt8], to subject: String) {
        state.withLock(\.session)?.publisher.publish(payload, to: subject)
    }

    /// Does something with the connection that may block for seconds, such as a call of a stream, one after another.
    ///
    /// - Throws: ``NATS/NATSError/notConnected`` where there is none, and what `work` throws.
    package func call<Result: Sendable>(
        _ work: @escaping @Sendable (NATSConnection) throws -> Result
    ) async throws -> Result {
        guard let publisher = state.withLock(\.session)?.publisher else { throw NATSError.notConnected }
        return try await publisher.call(work).get()
    }

    // MARK: Running

    /// Keeps a connection until the task is cancelled.
    package func run() async {
        var failures = 0
        let troubles = TroubleLog(logger)
        while !Task.isCancelled {
            let (events, continuation) = AsyncStream.makeStream(
                of: NATSEvent.self, bufferingPolicy: .bufferingNewest(64))
            do {
                let session = try await open { continuation.yield($0) }
                state.withLock { $0.session = session }
                for await event in events {
                    guard event != .closed, !Task.isCancelled else { break }
                    if event == .connected { failures = 0 }
                    await follow(event, troubles)
                }
                let reason = Task.isCancelled ? nil : session.connection.lastError
                await end(session, reason)
                if let reason {
                    troubles.say(.error, "cluster: NATS has refused this machine", reason: reason)
                }
            } catch {
                let reason = ErrorWords.text(of: error)
                state.withLock { $0.condition.complaint = reason }
                troubles.say(.error, "cluster: NATS cannot be used", reason: reason)
            }
            continuation.finish()
            let pause = Self.pauses[min(failures, Self.pauses.count - 1)]
            failures += 1
            try? await Task.sleep(for: pause * Double.random(in: 0.5...1))
        }
    }

    private func open(_ event: @escaping @Sendable (NATSEvent) -> Void) async throws -> Session {
        // It may wait for a server that says nothing.
        try await Blocking.run { [settings, subjects, tell] in
            let connection = try NATSConnection(settings, event)
            let subscriptions = try subjects.map { subject in
                try connection.subscribe(to: subject) { tell(.message($0)) }
            }
            return Session(
                connection: connection, publisher: EnginePublisher(connection), subscriptions: subscriptions)
        }
    }

    private func follow(_ event: NATSEvent, _ troubles: TroubleLog) async {
        switch event {
        case .connected:
            // Not behind calls of streams, which may take seconds each.
            let publisher = state.withLock(\.session)?.publisher
            let server = try? await publisher?.perform { $0.server }.get()
            state.withLock { state in
                state.condition.isConnected = true
                state.condition.server = server
                state.condition.complaint = nil
            }
            troubles.end()
            logger.notice("cluster: NATS is there", metadata: ["server": "\(server ?? "unknown")"])
            tell(.up)
        case .disconnected:
            state.withLock { state in
                state.condition.isConnected = false
                state.condition.server = nil
            }
            logger.warning(
                "cluster: NATS is away",
                metadata: ["remedy": "nothing is lost: links carry what has to go on; look at its servers"])
            tell(.down)
        case .lost(let count):
            state.withLock { $0.condition.lostCount = max($0.condition.lostCount, count) }
            troubles.say(.warning, "cluster: messages of NATS were lost: this machine is too slow")
        case .closed: break
        }
    }

    private func end(_ session: Session, _ reason: String?) async {
        state.withLock { state in
            state.condition.counts.add(session.publisher.counts)
            state.condition.isConnected = false
            state.condition.server = nil
            state.condition.complaint = reason
            state.session = nil
        }
        tell(.down)
        try? await session.publisher.close()
        // The last owner of the connection waits for the threads of libnats.
        try? await Blocking.run { withExtendedLifetime(session) {} }
    }
}

extension EnginePublisher.Counts {
    fileprivate mutating func add(_ other: EnginePublisher.Counts) {
        published += other.published
        crowdedOut += other.crowdedOut
        outdated += other.outdated
        disconnected += other.disconnected
        failed += other.failed
    }
}
