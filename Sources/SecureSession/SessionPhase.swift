internal import BoxStream
internal import SecretHandshake
internal import TypedSodium

/// What a session is doing, with all that it takes to do it and nothing else.
enum SessionPhase: ~Copyable {
    case handshake(SessionHandshake)
    /// A client's proof came that is to be looked at elsewhere, and was not taken yet.
    case proofCame(ClientProof, ServerHandshake)
    /// The proof was taken.
    case awaitingVerdict(ServerHandshake)
    /// A client has proved its key.
    case awaitingDecision(ServerHandshake)
    case open(Established)
    /// Our goodbye is said, the peer's is awaited.
    case closing(Established)
    /// Our side of the box stream is over; what the peer still sends is read up to its goodbye.
    case finished(Receiver)
    /// The session failed, was refused, or was closed before it was open.
    case failed(peer: PublicKey?)

    // MARK: What there is in a phase

    /// How many messages of the handshake the peer has sent; `nil` once it is over.
    var handshakeMessageCount: Int? {
        switch self {
        case .handshake(let handshake): handshake.messageCount
        case .proofCame: 2
        case .awaitingVerdict: 2
        case .awaitingDecision: 2
        case .open: nil
        case .closing: nil
        case .finished: nil
        case .failed: nil
        }
    }

    /// How many bytes the next message of the handshake has; `nil` where none is due.
    var expectedByteCount: Int? {
        switch self {
        case .handshake(let handshake): handshake.expectedByteCount
        default: nil
        }
    }

    /// Whether a client is to be let in or turned away.
    var isAwaitingDecision: Bool {
        switch self {
        case .awaitingDecision: true
        default: false
        }
    }

    /// What makes frames while muxrpc may be spoken.
    var openSender: Sender? {
        switch self {
        case .open(let established): established.sender
        default: nil
        }
    }

    /// What makes frames, until our goodbye to the box stream.
    var sender: Sender? {
        switch self {
        case .open(let established): established.sender
        case .closing(let established): established.sender
        default: nil
        }
    }

    /// What reads frames, from the end of the handshake on.
    var receiver: Receiver? {
        switch self {
        case .open(let established): established.receiver
        case .closing(let established): established.receiver
        case .finished(let receiver): receiver
        default: nil
        }
    }

    /// Whether nothing more is made to be sent.
    var isFinished: Bool {
        switch self {
        case .finished: true
        case .failed: true
        default: false
        }
    }

    var hasFailed: Bool {
        switch self {
        case .failed: true
        default: false
        }
    }

    /// Who the peer has proved to be.
    var peer: PublicKey? {
        switch self {
        case .failed(let peer): peer
        default: receiver?.peer
        }
    }

    // MARK: What is consumed to move on; other phases stay

    mutating func takeHandshake() -> SessionHandshake? {
        switch take() {
        case .handshake(let handshake): return handshake
        case let other:
            self = other
            return nil
        }
    }

    /// Gives the proof out; its verdict is awaited from here on.
    mutating func takeProof() -> ClientProof? {
        switch take() {
        case .proofCame(let proof, let server):
            self = .awaitingVerdict(server)
            return proof
        case let other:
            self = other
            return nil
        }
    }

    mutating func takeAwaitingVerdict() -> ServerHandshake? {
        switch take() {
        case .awaitingVerdict(let server): return server
        case let other:
            self = other
            return nil
        }
    }

    mutating func takeAwaitingDecision() -> ServerHandshake? {
        switch take() {
        case .awaitingDecision(let server): return server
        case let other:
            self = other
            return nil
        }
    }

    mutating func takeOpen() -> Established? {
        switch take() {
        case .open(let established): return established
        case let other:
            self = other
            return nil
        }
    }

    mutating func takeClosing() -> Established? {
        switch take() {
        case .closing(let established): return established
        case let other:
            self = other
            return nil
        }
    }

    /// Ends the session for good, and forgets its keys.
    mutating func fail() { self = .failed(peer: peer) }

    /// Takes the phase out; where the next one is never set, the session has failed.
    private mutating func take() -> SessionPhase {
        var taken = SessionPhase.failed(peer: peer)
        swap(&taken, &self)
        return taken
    }
}

/// The two directions of a session whose handshake is over.
struct Established: ~Copyable {
    let receiver: Receiver
    let sender: Sender

    init(_ keys: consuming SessionKeys, framing: Framing) {
        let peer = keys.peer
        (receiver, sender) = keys.take { encryptKey, encryptNonce, decryptKey, decryptNonce in
            (
                Receiver(InboundFrames(Opener(key: decryptKey, nonce: decryptNonce)), of: peer),
                Sender(
                    OutboundFrames(framing: framing, sealer: Sealer(key: encryptKey, nonce: encryptNonce)))
            )
        }
    }
}

/// The frames that a peer sends.
///
/// A reference, so that going from one phase to the next, and looking at one, moves no state.
final class Receiver {
    let peer: PublicKey
    var frames: InboundFrames

    init(_ frames: consuming InboundFrames, of peer: PublicKey) {
        self.peer = peer
        self.frames = frames
    }
}

/// The frames that a peer is sent; a reference for the same reason.
final class Sender {
    var frames: OutboundFrames

    init(_ frames: consuming OutboundFrames) { self.frames = frames }
}
