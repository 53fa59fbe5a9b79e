public import TypedSodium

/// The client half of secret-handshake: bytes in, actions out; no sockets, clocks or randomness.
///
/// Send ``hello``. Then read ``expectedByteCount`` bytes, pass them to ``receive(_:)``, perform the action it
/// returns, and repeat until the machine establishes a session or throws. A throw is final: close the
/// connection and write nothing more. Bytes that follow the last message belong to the session.
///
/// Source: Scuttlebutt Protocol Guide, "Handshake".
public struct ClientHandshake: ~Copyable {
    /// What the caller must do next.
    public enum Action: ~Copyable {
        /// Send these 112 bytes.
        case send([UInt8])
        /// Go on with the session; the server has proved to own the key that was dialled.
        case establish(SessionKeys)
    }

    private enum State: ~Copyable {
        case awaitingHello(AwaitingServerHello)
        case awaitingAccept(AwaitingServerAccept)
        case finished
    }

    private var state: State

    /// The first message, 64 bytes.
    public let hello: [UInt8]

    /// Takes the ephemeral key over; it is wiped as soon as it is not needed any more.
    ///
    /// - Throws: ``HandshakeError/unusableIdentity`` for a server key that cannot be anybody's.
    public init(
        network: NetworkIdentifier, identity: Identity, server: PublicKey,
        ephemeral: consuming EphemeralKeyPair
    ) throws(HandshakeError) {
        let step = try AwaitingServerHello(
            network: network, identity: identity, server: server, ephemeral: ephemeral)
        hello = step.hello.bytes
        state = .awaitingHello(step)
    }

    /// The exact length of the next message in bytes, or `nil` once the machine has finished.
    public var expectedByteCount: Int? {
        switch state {
        case .awaitingHello: ServerHello.byteCount
        case .awaitingAccept: ServerAccept.byteCount
        case .finished: nil
        }
    }

    /// Advances by one message of exactly ``expectedByteCount`` bytes.
    ///
    /// - Throws: any ``HandshakeError``; the machine has finished then.
    public mutating func receive(_ message: Span<UInt8>) throws(HandshakeError) -> Action {
        var current = State.finished
        swap(&current, &state)  // so a throw below leaves the machine finished

        switch consume current {
        case .awaitingHello(let step):
            let next = try step.receive(message)
            let authenticate = next.message
            state = .awaitingAccept(next)
            return .send(authenticate)
        case .awaitingAccept(let step):
            return .establish(try step.receive(message))
        case .finished:
            throw .alreadyFinished
        }
    }
}
