public import NIOCore
internal import SecretHandshake
internal import Synchronization

/// A caller's proof, to be looked at off the event loop: ``NodeOutput/prove(_:)`` brings it, and it goes back by
/// ``NodeConnection/proved(_:at:)`` when somebody has called ``look()`` or ``turnAway()``.
public final class ProofWork: Sendable {
    /// What was found out.
    enum Verdict: ~Copyable {
        case proved(ProvedClient)
        case failed(HandshakeError)
        /// Nobody had the time to look.
        case busy
    }

    private enum State: ~Copyable {
        case unseen(ClientProof)
        case seen(Verdict)
        case taken
    }

    /// The session whose handshake waits for it.
    let session: SessionID
    /// Whose turn it takes.
    public let causer: HandshakeCauser
    /// When the proof came.
    public let arrivedAt: NIODeadline
    private let state: Mutex<State>

    init(
        _ proof: consuming ClientProof, session: SessionID, causer: HandshakeCauser, arrivedAt: NIODeadline
    ) {
        self.session = session
        self.causer = causer
        self.arrivedAt = arrivedAt
        state = Mutex(.unseen(proof))
    }

    /// Opens and verifies the proof, and prepares the answer to it: two key agreements and two signatures, whatever is
    /// wrong with it.
    ///
    /// Does nothing where it was looked at, or turned away.
    public func look() {
        state.withLock { state in
            var current = State.taken
            swap(&current, &state)
            switch consume current {
            case .unseen(let proof):
                do throws(HandshakeError) {
                    state = .seen(.proved(try proof.verify()))
                } catch {
                    state = .seen(.failed(error))
                }
            case .seen(let verdict): state = .seen(verdict)
            case .taken: break
            }
        }
    }

    /// Gives the proof back unseen: it would have to wait too long.
    public func turnAway() {
        state.withLock { state in
            var current = State.taken
            swap(&current, &state)
            switch consume current {
            case .unseen: state = .seen(.busy)
            case .seen(let verdict): state = .seen(verdict)
            case .taken: break
            }
        }
    }

    /// What was found out, once.
    func takeVerdict() -> Verdict? {
        state.withLock { state in
            var current = State.taken
            swap(&current, &state)
            switch consume current {
            case .unseen(let proof):
                state = .unseen(proof)
                return nil
            case .seen(let verdict): return verdict
            case .taken: return nil
            }
        }
    }
}
