internal import Synchronization
package import Transport

/// What happens on a connection, from its event loop to its owner's task, in order.
///
/// What is only for the log is left out, and counted, where ``logLimit`` of it wait already: peers cause it as fast as
/// they like. The rest always arrives, and is bounded where it arises: an announcement has one answer and one end, a
/// session has at most four questions, a silence takes seconds, and a move is told of once.
package final class LinkEvents: Sendable {
    /// How many events wait that are only for the log.
    package static let logLimit = 1_024

    private struct Waiting {
        var count = 0
        /// How many were left out since the owner was last told.
        var leftOutCount = 0
    }

    private let events: AsyncStream<NodeLinkEvent>
    private let continuation: AsyncStream<NodeLinkEvent>.Continuation
    private let waiting = Mutex(Waiting())

    /// Nothing has happened.
    package init() {
        // What may wait is decided in `post`, by what it is.
        (events, continuation) = AsyncStream.makeStream(of: NodeLinkEvent.self, bufferingPolicy: .unbounded)
    }

    /// Puts an event behind the others.
    package func post(_ event: NodeLinkEvent) {
        guard event.isForLogOnly else {
            continuation.yield(event)
            return
        }
        let isTaken = waiting.withLock { waiting in
            guard waiting.count < Self.logLimit else {
                waiting.leftOutCount += 1
                return false
            }
            waiting.count += 1
            return true
        }
        if isTaken { continuation.yield(event) }
    }

    /// Nothing more will happen.
    package func finish() { continuation.finish() }

    /// Hands out each event until the end, with the number of those that were left out since the one before.
    package func forEach(_ body: (_ event: NodeLinkEvent, _ leftOutCount: Int) async -> Void) async {
        for await event in events {
            let leftOutCount = waiting.withLock { waiting in
                if event.isForLogOnly { waiting.count -= 1 }
                defer { waiting.leftOutCount = 0 }
                return waiting.leftOutCount
            }
            await body(event, leftOutCount)
        }
    }
}

extension NodeLinkEvent {
    /// Whether nothing but a line in the log, or the time of a visit, comes of it.
    var isForLogOnly: Bool {
        switch self {
        case .announced, .announcementEnded, .fellSilent, .moveAsked, .asked: false
        case .event, .serviceOpened, .serviceNotListening, .serviceClosed: true
        }
    }
}
