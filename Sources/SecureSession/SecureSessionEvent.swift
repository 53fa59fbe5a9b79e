public import MuxRPC
public import TypedSodium

extension SecureSession {
    /// What the owner is told.
    public enum Event {
        /// A client has proved to own this key: answer with ``accept()`` or ``refuse()``.
        case client(PublicKey)
        /// A client's proof has come, which is to be looked at elsewhere: take it with ``takeProof()``.
        case proof
        /// The handshake is over, and this is the peer.
        case established(PublicKey)
        /// A whole binary packet of an open stream stands verified and not yet decrypted.
        ///
        /// Call one of the `openPacket` methods to say where it goes; the next call of ``next()`` drops it else.
        case packet(StreamID, byteCount: Int)
        /// Everything else that muxrpc has to say.
        ///
        /// Indirect, because it is large and rare, and every packet's event would be as large.
        indirect case session(RPCEvent)
        /// The peer's box-stream goodbye: nothing follows, and nothing is lost.
        case ended
    }

    /// Where a client's proof is looked at.
    public enum Verification: Sendable {
        /// As it comes, by ``next()``.
        case atOnce
        /// By whoever takes it, on any thread, while this session does nothing.
        case elsewhere
    }
}
