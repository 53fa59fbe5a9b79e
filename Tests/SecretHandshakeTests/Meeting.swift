import SecretHandshake
import TestSupport
import TypedSodium

/// A client, a server and the four messages they exchange when nothing goes wrong; the same for the same seed.
struct Meeting {
    let network: NetworkIdentifier
    let client: Identity
    let server: Identity
    let hello: [UInt8]
    let serverHello: [UInt8]
    let authenticate: [UInt8]
    let accept: [UInt8]
    private let clientScalar: [UInt8]
    private let serverScalar: [UInt8]

    /// Lets the same peers meet again with other ephemeral keys, where the second seed differs.
    init(seed: UInt64, ephemeralSeed: UInt64 = 0) throws {
        var random = SeededRandom(seed: seed)
        network = NetworkIdentifier(try FixedBytes(random.bytes(32)))
        client = try Identity(seed: SecretKey(copying: random.bytes(32).span))
        server = try Identity(seed: SecretKey(copying: random.bytes(32).span))
        random = SeededRandom(seed: seed ^ ephemeralSeed &+ 1)
        clientScalar = random.bytes(32)
        serverScalar = random.bytes(32)

        var dialling = try Self.client(client, to: server.publicKey, on: network, scalar: clientScalar)
        var listening = try Self.server(server, on: network, scalar: serverScalar)
        hello = dialling.hello
        serverHello = try listening.answer(hello)
        let proof = try dialling.answer(serverHello)
        _ = try listening.receive(proof.span)
        authenticate = proof
        accept = try listening.accept().message
    }

    /// A client that has said hello.
    func dialling(
        to server: PublicKey? = nil, on network: NetworkIdentifier? = nil
    ) throws -> ClientHandshake {
        try Self.client(
            client, to: server ?? self.server.publicKey, on: network ?? self.network, scalar: clientScalar)
    }

    /// A client that has proved itself.
    func proving() throws -> ClientHandshake {
        var machine = try dialling()
        _ = try machine.answer(serverHello)
        return machine
    }

    /// A server that waits for a hello.
    func listening(
        as server: Identity? = nil, on network: NetworkIdentifier? = nil
    ) throws -> ServerHandshake {
        try Self.server(server ?? self.server, on: network ?? self.network, scalar: serverScalar)
    }

    /// A server that has answered the hello.
    func answering() throws -> ServerHandshake {
        var machine = try listening()
        _ = try machine.answer(hello)
        return machine
    }

    /// A server that has to decide.
    func deciding() throws -> ServerHandshake {
        var machine = try answering()
        _ = try machine.receive(authenticate.span)
        return machine
    }

    /// The key that this meeting's authenticate is sealed with.
    func authenticateKey() throws -> AuthenticateKey {
        let ephemeral = EphemeralKeyPair(secret: try SecretKey(copying: clientScalar.span))
        let peer = try ServerHello(verifying: serverHello.span, network: network)
        return AuthenticateKey(
            network: network, ephemeral: try EphemeralSecret(ephemeral, peer.ephemeralKey),
            server: try ServerSecret(ephemeral, server: server.publicKey.usableAgreementKey()))
    }

    private static func client(
        _ identity: Identity, to server: PublicKey, on network: NetworkIdentifier, scalar: [UInt8]
    ) throws -> ClientHandshake {
        try ClientHandshake(
            network: network, identity: identity, server: server,
            ephemeral: EphemeralKeyPair(secret: SecretKey(copying: scalar.span)))
    }

    private static func server(
        _ identity: Identity, on network: NetworkIdentifier, scalar: [UInt8]
    ) throws -> ServerHandshake {
        ServerHandshake(
            network: network, identity: identity,
            ephemeral: EphemeralKeyPair(secret: try SecretKey(copying: scalar.span)))
    }
}

extension ServerHandshake {
    /// The hello that answers a client's.
    mutating func answer(_ hello: [UInt8]) throws -> [UInt8] {
        guard case .send(let message) = try receive(hello.span) else { throw UnexpectedAction() }
        return message
    }

    /// What the machine makes of a message that it has to refuse.
    mutating func refusal(of message: [UInt8]) -> HandshakeError? {
        do throws(HandshakeError) {
            _ = try receive(message.span)
            return nil
        } catch {
            return error
        }
    }
}

extension ClientHandshake {
    /// The authenticate that answers a server's hello.
    mutating func answer(_ hello: [UInt8]) throws -> [UInt8] {
        switch try receive(hello.span) {
        case .send(let message): return message
        case .establish: throw UnexpectedAction()
        }
    }

    /// The session that a server's accept establishes.
    mutating func establish(_ accept: [UInt8]) throws -> SessionKeys {
        switch try receive(accept.span) {
        case .send: throw UnexpectedAction()
        case .establish(let keys): return keys
        }
    }

    /// What the machine makes of a message that it has to refuse.
    mutating func refusal(of message: [UInt8]) -> HandshakeError? {
        do throws(HandshakeError) {
            _ = try receive(message.span)
            return nil
        } catch {
            return error
        }
    }
}

/// A machine asked for something else than the protocol's next step.
struct UnexpectedAction: Error {}
