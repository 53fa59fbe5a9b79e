internal import Connection
internal import MuxRPC
internal import NIOCore
internal import TypedSodium

/// `gossip.ping`: numbers both ways, for peers that end a connection without a measured round trip.
enum GossipPingMethod: PortalMethod {
    static var kind: MethodKind { .duplex }

    static func isOpenUndenied(to standing: PortalPolicy.Standing) -> Bool { true }

    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls) {
        if !calls.pings.open(request.stream) { calls.peer.refuse(request, ErrorText.tooManyPings) }
    }
}

/// The `gossip.ping` streams of a peer, and the numbers on them that are to be answered.
///
/// ssb-gossip ends a connection of more than ten seconds for which it has not measured a round trip above zero. So an
/// answer leaves a millisecond after the number came, which is as finely as the peer measures.
struct PortalPings {
    /// The greatest number of streams; a peer needs one.
    private static let streamLimit = 4
    private static let delay = TimeAmount.milliseconds(1)

    private let peer: PortalPeer
    private var streams: Set<StreamID> = []
    private var due = CircularBuffer<(stream: StreamID, at: NIODeadline)>(initialCapacity: 1)

    init(of peer: PortalPeer) { self.peer = peer }

    /// When the next answer is due.
    var deadline: NIODeadline? { due.first?.at }

    /// Whether a stream is one of these.
    func owns(_ stream: StreamID) -> Bool { streams.contains(stream) }

    /// Takes a stream; whether there was room for it.
    mutating func open(_ stream: StreamID) -> Bool {
        guard streams.count < Self.streamLimit else { return false }
        streams.insert(stream)
        return true
    }

    /// Something has come on a stream of these; whether it is a number, which is answered and costs as much as a call.
    mutating func receive(_ body: ByteBuffer, type: BodyType, on stream: StreamID) -> Bool {
        guard type == .json, case .number? = try? JSONValue(parsing: body) else { return false }
        due.append((stream, peer.now + Self.delay))
        return true
    }

    /// Answers what is due.
    mutating func answerDue() {
        while let first = due.first, first.at <= peer.now {
            due.removeFirst()
            peer.send(.integer(peer.settings.wallClock()), on: first.stream)
        }
    }

    /// The peer has ended a stream.
    mutating func close(_ stream: StreamID) {
        guard streams.remove(stream) != nil else { return }
        due.removeAll { $0.stream == stream }
    }

    /// Ends every stream; what is open is forgotten by ``removeAll()``.
    func end() {
        for stream in streams { peer.end(stream) }
    }

    mutating func removeAll() {
        streams.removeAll()
        due.removeAll()
    }
}
