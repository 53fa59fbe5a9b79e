internal import SecretHandshake
internal import TypedSodium

/// Either half of the handshake while messages are exchanged, as the session drives it.
///
/// It is consumed by the next message: a throw leaves none.
struct SessionHandshake: ~Copyable {
    /// What a message brought, and what goes on from there.
    enum Step: ~Copyable {
        case send([UInt8], then: SessionHandshake)
        case prove(ClientProof, then: ServerHandshake)
        case decide(client: PublicKey, then: ServerHandshake)
        case establish(SessionKeys)
    }

    private enum Half: ~Copyable {
        case client(ClientHandshake)
        case server(ServerHandshake)
        /// A server that gives the client's proof out.
        case delegatingServer(ServerHandshake)
    }

    private let half: Half
    /// How many messages the peer has sent.
    let messageCount: Int

    private init(_ half: consuming Half, messageCount: Int) {
        self.half = half
        self.messageCount = messageCount
    }

    /// The client's side, whose hello is sent by the caller.
    init(_ client: consuming ClientHandshake) { self.init(.client(client), messageCount: 0) }

    /// The server's side.
    init(_ server: consuming ServerHandshake, verification: SecureSession.Verification) {
        switch verification {
        case .atOnce: self.init(.server(server), messageCount: 0)
        case .elsewhere: self.init(.delegatingServer(server), messageCount: 0)
        }
    }

    /// How many bytes the next message has.
    var expectedByteCount: Int? {
        switch half {
        case .client(let client): client.expectedByteCount
        case .server(let server): server.expectedByteCount
        case .delegatingServer(let server): server.expectedByteCount
        }
    }

    /// Takes the next message.
    consuming func receive(_ message: [UInt8]) throws(HandshakeError) -> Step {
        let messageCount = messageCount + 1
        switch consume half {
        case .client(var client):
            let action = try client.receive(message.span)
            switch consume action {
            case .send(let answer):
                return .send(answer, then: SessionHandshake(.client(client), messageCount: messageCount))
            case .establish(let keys): return .establish(keys)
            }
        case .server(var server):
            switch try server.receive(message.span) {
            case .send(let answer):
                return .send(answer, then: SessionHandshake(.server(server), messageCount: messageCount))
            case .decide(let client): return .decide(client: client, then: server)
            }
        case .delegatingServer(var server):
            if server.awaitsProof {
                let proof = try server.take(proof: message)
                return .prove(proof, then: server)
            }
            switch try server.receive(message.span) {
            case .send(let answer):
                return .send(
                    answer, then: SessionHandshake(.delegatingServer(server), messageCount: messageCount))
            case .decide(let client): return .decide(client: client, then: server)
            }
        }
    }
}
