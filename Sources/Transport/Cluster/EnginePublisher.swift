package import NATS
package import NIOCore
internal import NIOPosix
internal import Synchronization

/// The two threads on which NATS is published to, and its streams are called: no event loop ever waits for a server, and
/// no message for a stream that answers slowly.
///
/// What is to be published stands in a queue of ``limit`` messages. Where the server takes them too slowly the oldest are
/// dropped; what has waited for ``maximumAge`` is not sent any more, because its answer would come for nobody; and while
/// there is no connection nothing is. All of that is counted.
package final class EnginePublisher: Sendable {
    /// How many messages may wait.
    package static let limit = 4_096
    /// How long a message may wait.
    package static let maximumAge = TimeAmount.seconds(2)

    /// What became of messages.
    package struct Counts: Equatable, Sendable {
        /// Handed to libnats.
        package var published = 0
        /// Dropped because too many waited.
        package var crowdedOut = 0
        /// Dropped because they had waited for too long.
        package var outdated = 0
        /// Dropped because there was no connection.
        package var disconnected = 0
        /// Refused by libnats.
        package var failed = 0

        /// Nothing yet.
        package init() {}
    }

    private struct Waiting: Sendable {
        let payload: [UInt8]
        let subject: String
        let since: NIODeadline
    }

    private struct State {
        var queue = CircularBuffer<Waiting>()
        var counts = Counts()
        /// Whether the thread is to be told of what comes.
        var isIdle = true
        var isClosed = false
    }

    private let connection: NATSConnection
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    private let (publishing, calling): (any EventLoop, any EventLoop)
    private let state = Mutex(State())

    /// Publishes on a connection.
    package init(_ connection: NATSConnection) {
        self.connection = connection
        (publishing, calling) = (group.next(), group.next())
    }

    /// What became of messages so far.
    package var counts: Counts { state.withLock { $0.counts } }

    /// How many messages wait.
    package var waitingCount: Int { state.withLock { $0.queue.count } }

    /// Lets a message wait for its turn; from any thread, at once.
    package func publish(_ payload: [UInt8], to subject: String, at now: NIODeadline = .now()) {
        let isFirst = state.withLock { state -> Bool in
            guard !state.isClosed else { return false }
            if state.queue.count >= Self.limit {
                state.queue.removeFirst()
                state.counts.crowdedOut += 1
            }
            state.queue.append(Waiting(payload: payload, subject: subject, since: now))
            defer { state.isIdle = false }
            return state.isIdle
        }
        if isFirst { publishing.execute { self.publishWaiting() } }
    }

    /// Has something done with the connection that blocks for a moment, in turns with what is published.
    package func perform<Result: Sendable>(
        _ work: @escaping @Sendable (NATSConnection) throws -> Result
    ) -> EventLoopFuture<Result> {
        publishing.submit { try work(self.connection) }
    }

    /// Has something done with the connection that may block for seconds, such as a call of a stream: one after another,
    /// beside what is published.
    package func call<Result: Sendable>(
        _ work: @escaping @Sendable (NATSConnection) throws -> Result
    ) -> EventLoopFuture<Result> {
        calling.submit { try work(self.connection) }
    }

    /// Publishes nothing more, and ends the threads.
    package func close() async throws {
        state.withLock { state in
            state.isClosed = true
            state.queue.removeAll()
        }
        try await group.shutdownGracefully()
    }

    /// One round: what waits, up to a bound, so that what blocks has its turn too.
    private func publishWaiting() {
        for _ in 0..<256 {
            guard let waiting = next() else { return }
            do throws(NATSError) {
                try connection.publish(waiting.payload, to: waiting.subject)
                state.withLock { $0.counts.published += 1 }
            } catch {
                state.withLock { state in
                    if error == .notConnected {
                        state.counts.disconnected += 1
                    } else {
                        state.counts.failed += 1
                    }
                }
            }
        }
        publishing.execute { self.publishWaiting() }
    }

    private func next() -> Waiting? {
        state.withLock { state in
            while let waiting = state.queue.popFirst() {
                guard NIODeadline.now() - waiting.since >= Self.maximumAge else { return waiting }
                state.counts.outdated += 1
            }
            state.isIdle = true
            return nil
        }
    }
}
