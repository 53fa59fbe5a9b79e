public import TypedSodium

/// The server half of secret-handshake: bytes in, actions out; no sockets, clocks or randomness.
///
/// Read ``expectedByteCount`` bytes, pass them to ``receive(_:)`` and perform the action it returns, until it asks
/// for a decision about the client; answer with ``accept()`` or ``refuse()``. A throw is final: close the
/// connection and write nothing more. Bytes that follow the client's last message belong to the session.
///
/// Source: Scuttlebutt Protocol Guide, "Handshake".
public struct ServerHandshake: ~Copyable {
    /// What the caller must do next.
    public enum Action: Equatable, Sendable {
        /// Send these 64 bytes.
        case send([UInt8])
        /// Decide about this client, who has proved to own the key; it has not learnt yet who we are.
        case decide(client: PublicKey)
    }

    private enum State: ~Copyable {
        case awaitingHello(AwaitingClientHello)
        case awaitingAuthenticate(AwaitingClientAuthenticate)
        /// The proof was given away to be looked at.
        case awaitingVerdict
        case awaitingDecision(AwaitingDecision)
        /// The same, with our consent prepared elsewhere.
        case prepared(ProvedClient)
        case finished
    }

    private var state: State

    /// Takes the ephemeral key over; it is wiped as soon as it is not needed any more.
    public init(
        network: NetworkIdentifier, identity: Identity, ephemeral: consuming EphemeralKeyPair
    ) {
        state = .awaitingHello(
            AwaitingClientHello(network: network, identity: identity, ephemeral: .made(ephemeral)))
    }

    /// Has the ephemeral key made when a client's hello has been verified, and not before.
    ///
    /// A peer that only connects, or does not know the network identifier, costs no key agreement then. `makeEphemeral`
    /// is called once at most, within ``receive(_:)``.
    public init(
        network: NetworkIdentifier, identity: Identity,
        makingEphemeral makeEphemeral: @escaping @Sendable () -> EphemeralKeyPair
    ) {
        state = .awaitingHello(
            AwaitingClientHello(network: network, identity: identity, ephemeral: .making(makeEphemeral)))
    }

    /// The exact length of the next message in bytes, or `nil` when none is due: a decision is, or the machine
    /// has finished.
    public var expectedByteCount: Int? {
        switch state {
        case .awaitingHello: ClientHello.byteCount
        case .awaitingAuthenticate: ClientAuthenticate.byteCount
        case .awaitingVerdict: nil
        case .awaitingDecision: nil
        case .prepared: nil
        case .finished: nil
        }
    }

    /// Whether the next message is the client's proof.
    public var awaitsProof: Bool {
        switch state {
        case .awaitingAuthenticate: true
        case .awaitingHello: false
        case .awaitingVerdict: false
        case .awaitingDecision: false
        case .prepared: false
        case .finished: false
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
            let hello = next.hello.bytes
            state = .awaitingAuthenticate(next)
            return .send(hello)
        case .awaitingAuthenticate(let step):
            let next = try step.receive(message)
            let client = next.authenticate.client
            state = .awaitingDecision(next)
            return .decide(client: client)
        case .awaitingDecision:
            throw .outOfTurn
        case .prepared:
            throw .outOfTurn
        case .awaitingVerdict:
            throw .outOfTurn
        case .finished:
            throw .alreadyFinished
        }
    }

    // MARK: A proof that is looked at elsewhere

    /// Takes the client's proof of exactly ``expectedByteCount`` bytes, and gives it out to be looked at.
    ///
    /// ``resume(with:)`` goes on with what ``ClientProof/verify()`` returns; where that throws, there is nothing to do
    /// but ``refuse()``.
    /// - Throws: ``HandshakeError/outOfTurn`` where no proof is due, ``HandshakeError/alreadyFinished`` or
    ///   ``HandshakeError/wrongByteCount(_:expected:)``; the machine has finished then.
    public mutating func take(proof message: [UInt8]) throws(HandshakeError) -> ClientProof {
        var current = State.finished
        swap(&current, &state)

        switch consume current {
        case .awaitingAuthenticate(let step):
            try HandshakeError.check(message.span, is: ClientAuthenticate.byteCount)
            state = .awaitingVerdict
            return ClientProof(step, message: message)
        case .awaitingHello: throw .outOfTurn
        case .awaitingVerdict: throw .outOfTurn
        case .awaitingDecision: throw .outOfTurn
        case .prepared: throw .outOfTurn
        case .finished: throw .alreadyFinished
        }
    }

    /// Goes on with the client whose proof this machine has given out, and asks for a decision about it.
    ///
    /// - Throws: ``HandshakeError/outOfTurn`` where no proof was given out, ``HandshakeError/alreadyFinished``; the
    ///   machine has finished then.
    public mutating func resume(with proved: consuming ProvedClient) throws(HandshakeError) {
        var current = State.finished
        swap(&current, &state)

        switch consume current {
        case .awaitingVerdict: state = .prepared(proved)
        case .awaitingHello: throw .outOfTurn
        case .awaitingAuthenticate: throw .outOfTurn
        case .awaitingDecision: throw .outOfTurn
        case .prepared: throw .outOfTurn
        case .finished: throw .alreadyFinished
        }
    }

    /// Lets the client in: the last message, and the session.
    ///
    /// - Throws: ``HandshakeError/outOfTurn`` before a decision is asked for, ``HandshakeError/alreadyFinished``
    ///   after one was given; the machine has finished then.
    public mutating func accept() throws(HandshakeError) -> Acceptance {
        var current = State.finished
        swap(&current, &state)

        switch consume current {
        case .awaitingDecision(let step): return step.accept()
        case .prepared(let proved): return proved.takeAcceptance()
        case .awaitingHello: throw .outOfTurn
        case .awaitingAuthenticate: throw .outOfTurn
        case .awaitingVerdict: throw .outOfTurn
        case .finished: throw .alreadyFinished
        }
    }

    /// Turns the client away, in silence: there is nothing to send, and every secret is wiped.
    public mutating func refuse() { state = .finished }
}

/// What a server that accepted a client sends, and goes on with.
@frozen
public struct Acceptance: ~Copyable, Sendable {
    /// The last message, 80 bytes, to be sent before anything of the session.
    public let message: [UInt8]
    /// The session.
    public let keys: SessionKeys
}
