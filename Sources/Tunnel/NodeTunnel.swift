internal import Blinding
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// One tunnel of a node's connection: a stream of the outer session with a whole session inside.
final class NodeTunnel {
    /// How long after its proof a peer that came by a token is refused, whatever was wrong: longer than any cause takes.
    private static let refusalTime = TimeAmount.milliseconds(500)
    /// How much is kept of what a caller sends before its handshake is over, in bytes; the messages have 176.
    private static let earlyByteCount = 4096

    /// How far it has come.
    enum Phase {
        /// We have called, and the handshake is under way.
        case calling
        /// A caller has a place among the unfinished, and is to say hello.
        case hello(HandshakePlace)
        /// Its hello was answered, and its proof is awaited.
        case answered(HandshakePlace)
        /// Its proof, which came then, is being looked at, or waits for that.
        case proving(HandshakePlace, since: NIODeadline)
        /// There will be no session, of which the caller learns at a time that says nothing of the cause.
        case refusing(Refusal, HandshakePlace?)
        /// The peer is let in, to be told in words that there is no place for it; the one that it has stays taken.
        case turnedAway(HandshakePlace?)
        /// The session stands, or has; with a place among the sessions where a caller's does.
        case open(SessionSeat?)
    }

    /// By what somebody has called, before it has proved anything.
    struct Caller {
        let causer: HandshakeCauser
        /// The entry by which the call came to a hidden endpoint.
        let entry: TokenEntry?
    }

    /// What the caller is told, and when.
    struct Refusal {
        let at: NIODeadline
        /// `nil` for our own decision.
        let because: SessionFailure?
        let words: String
        /// Whether the peer has shown a proof.
        let hasProof: Bool
    }

    let session: PeerSession
    /// The target as the call named it, for answers in the same words.
    let target: String
    /// Who has caused it; `nil` for tunnels of ours.
    let caller: Caller?
    var phase: Phase
    /// Whether the peer whom we called has said that it does not let us in any more.
    var isDismissed = false
    /// What the outer session has opened for it, and no round has given to its own session yet.
    var arrived = ByteBuffer()
    /// Whether the session has more calls than it was given in its round.
    var isBehind = false

    /// One of ours.
    init(session: PeerSession, target: String) {
        (self.session, self.target, caller, phase) = (session, target, nil, .calling)
    }

    /// A caller's, with the place that it has among the unfinished.
    init(session: PeerSession, target: String, caller: Caller, place: HandshakePlace) {
        (self.session, self.target, self.caller, phase) = (session, target, caller, .hello(place))
    }

    /// The place that it has among the unfinished.
    var place: HandshakePlace? {
        switch phase {
        case .calling, .open: nil
        case .hello(let place), .answered(let place), .proving(let place, since: _): place
        case .refusing(_, let place), .turnedAway(let place): place
        }
    }

    /// The place that it has among the sessions.
    var seat: SessionSeat? {
        if case .open(let seat) = phase { seat } else { nil }
    }

    /// Whether the session stands, and nothing is open in it that this side has asked for.
    var isIdle: Bool {
        guard case .open = phase else { return false }
        return session.streams.count == 0 && session.secure.muxrpc.openRequestCount == 0
    }

    /// Whether it came by a token.
    var isByToken: Bool { caller?.entry != nil }

    /// When a refusal of a proof that came then is due: a caller by a token waits however soon we know.
    func refusalTime(ofProofAt arrival: NIODeadline, now: NIODeadline) -> NIODeadline {
        !isByToken ? now : max(now, arrival + Self.refusalTime)
    }

    /// Whether a caller's hello has arrived, or a part of it, that no round has given to the session.
    var hasHello: Bool {
        if case .hello = phase { arrived.readableBytes > 0 } else { false }
    }

    /// Gives the session what has arrived for it.
    ///
    /// Before its handshake is over an honest caller sends the messages and nothing else: what comes behind them is not
    /// kept.
    func feed(atMost byteCount: Int, at now: NIODeadline) {
        var waiting = arrived
        arrived = ByteBuffer()
        let secure = session.secure
        if caller != nil, !secure.isOpen,
            secure.inboundByteCount + waiting.readableBytes > Self.earlyByteCount
        {
            // A copy: a slice would keep all that came.
            let first = waiting.readableBytesView.prefix(Self.earlyByteCount)
            if secure.inboundByteCount == 0 { secure.receive(ByteBuffer(bytes: first)) }
            return
        }
        seat?.activity.heard(at: now)
        guard waiting.readableBytes > byteCount else { return secure.receive(waiting) }
        // A copy: with a slice each side would hold, and copy when it writes, the memory of both.
        var part = ByteBuffer()
        part.writeBytes(waiting.readableBytesView.prefix(byteCount))
        waiting.moveReaderIndex(forwardBy: byteCount)
        // What arrives meanwhile is put behind it: it would else grow by all that was fed.
        if waiting.readerIndex >= waiting.readableBytes { waiting.discardReadBytes() }
        arrived = waiting
        secure.receive(part)
    }
}
