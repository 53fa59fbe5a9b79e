/// Why a handshake ended without a session.
///
/// The peer is told nothing: the machine's owner closes the connection and writes nothing more.
public enum HandshakeError: Error, Equatable, Sendable {
    /// A message of this many bytes arrived where another length is prescribed: our own driver's bug.
    case wrongByteCount(Int, expected: Int)
    /// The peer's hello was not made with our network identifier: it belongs to another network, or is no peer.
    case wrongNetwork
    /// The peer's ephemeral key has small order, so that everybody would know what is agreed on.
    case weakKey
    /// A long-term key is no point of the curve's main subgroup: nobody can prove to own it.
    case unusableIdentity
    /// A box or a signature is not by whom it claims to be; also when the peer expected somebody else.
    case forged
    /// A message arrived while the decision about the client stood out, or a decision was given before one was
    /// asked for.
    case outOfTurn
    /// The machine established a session, refused the client or threw before.
    case alreadyFinished
}

extension HandshakeError {
    /// Throws unless a message has its prescribed length.
    static func check(_ message: Span<UInt8>, is byteCount: Int) throws(HandshakeError) {
        guard message.count == byteCount else {
            throw .wrongByteCount(message.count, expected: byteCount)
        }
    }
}
