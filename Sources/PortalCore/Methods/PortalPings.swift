internal import MuxRPC
internal import NIOCore

/// The `gossip.ping` streams of a peer, and the numbers on them that are to be answered.
///
/// ssb-gossip ends a connection of more than ten seconds for which it has not measured a round trip above zero. So an
/// answer leaves a millisecond after the number came, which is as finely as the peer measures.
struct PortalPings {
    /// The greatest number of streams; a peer needs one.
    private static let streamLimit = 4
    private static let delay = TimeAmount.milliseconds(1)

    private(set) var streams: Set<StreamID> = []
    private var due = CircularBuffer<(stream: StreamID, at: NIODeadline)>()

    /// When the next answer is due.
    var deadline: NIODeadline? { due.first?.at }

    /// Takes a stream; whether there was room for it.
    mutating func open(_ stream: StreamID) -> Bool {
        guard streams.count < Self.streamLimit else { return false }
        streams.insert(stream)
        return true
    }

    mutating func close(_ stream: StreamID) {
        guard streams.remove(stream) != nil else { return }
        due.removeAll { $0.stream == stream }
    }

    mutating func removeAll() {
        streams.removeAll()
        due.removeAll()
    }

    /// A number has come on a stream of these.
    mutating func asked(on stream: StreamID, at now: NIODeadline) { due.append((stream, now + Self.delay)) }

    /// The stream on which an answer is due.
    mutating func popDue(at now: NIODeadline) -> StreamID? {
        guard let first = due.first, first.at <= now else { return nil }
        return due.removeFirst().stream
    }
}
