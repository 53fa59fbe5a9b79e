internal import Blinding
internal import BoxStream
internal import NIOCore
internal import SecureSession

/// One tunnel of a node's connection: a stream of the outer session with a whole session inside.
final class NodeTunnel {
    /// How far it has come.
    enum Phase {
        /// The next message of the inner handshake is awaited.
        case handshake
        /// The peer's proof, which came then, is being looked at, or waits for that.
        case proving(since: NIODeadline)
        /// There will be no session, of which the caller learns at a time that says nothing of the cause.
        case refusing(Refusal)
        /// The peer is let in, to be told in words that there is no place for it.
        case turnedAway
        /// The session stands, or has.
        case open
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
    /// The entry by which the call came to a hidden endpoint.
    let entry: TokenEntry?
    /// Who has caused it, and the place that it has among the unfinished; `nil` for tunnels of ours.
    let causer: HandshakeCauser?
    var place: HandshakePlace?
    /// The place among the sessions, once the peer has proved who it is.
    var seat: SessionSeat?
    var phase = Phase.handshake
    /// Whether the peer's hello was answered.
    var isAnswered = false
    /// Whether the peer whom we called has said that it does not let us in any more.
    var isDismissed = false
    /// What the outer session has opened for it, and no round has given to its own session yet.
    var arrived = ByteBuffer()
    /// Whether the session has more calls than it was given in its round.
    var isBehind = false

    init(
        session: PeerSession, target: String, entry: TokenEntry? = nil, causer: HandshakeCauser? = nil,
        place: HandshakePlace? = nil
    ) {
        self.session = session
        self.target = target
        self.entry = entry
        self.causer = causer
        self.place = place
    }

    /// When a refusal of a proof that came then is due: a caller by a token waits however soon we know.
    func refusalTime(ofProofAt arrival: NIODeadline, now: NIODeadline) -> NIODeadline {
        entry == nil ? now : max(now, arrival + NodeConnection.refusalTime)
    }
}

extension SessionFailure {
    /// What a failed session means to its owner.
    init(_ error: SecureSessionError) {
        switch error {
        case .handshake: self = .wrongPeer
        case .refused(let answered): self = .refused(answered: answered)
        case .overAllowance: self = .overdrawn
        case .boxStream(.truncated): self = .lost
        case .boxStream: self = .forged
        }
    }
}
