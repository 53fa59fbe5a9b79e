internal import SecretHandshake
internal import TypedSodium

/// Either half of the handshake, as the session drives it.
struct SessionHandshake: ~Copyable {
    /// What a message brought.
    enum Step: ~Copyable {
        case send([UInt8])
        case decide(client: PublicKey)
        case establish(SessionKeys)
    }

    private enum Half: ~Copyable {
        case client(ClientHandshake)
        case server(ServerHandshake)
        case finished
    }

    private var half: Half

    /// What a client sends first; nothing for a server.
    let hello: [UInt8]?

    init(_ client: consuming ClientHandshake) {
        hello = client.hello
        half = .client(client)
    }

    init(_ server: consuming ServerHandshake) {
        hello = nil
        half = .server(server)
    }

    /// How many bytes the next message has, or `nil` when none is due.
    var expectedByteCount: Int? {
        switch half {
        case .client(let client): client.expectedByteCount
        case .server(let server): server.expectedByteCount
        case .finished: nil
        }
    }

    /// Takes the next message; a throw is final.
    mutating func receive(_ message: [UInt8]) throws(HandshakeError) -> Step {
        var current = Half.finished
        swap(&current, &half)
        switch consume current {
        case .client(var client):
            let action = try client.receive(message.span)
            half = .client(client)
            switch consume action {
            case .send(let answer): return .send(answer)
            case .establish(let keys): return .establish(keys)
            }
        case .server(var server):
            let action = try server.receive(message.span)
            half = .server(server)
            switch action {
            case .send(let answer): return .send(answer)
            case .decide(let client): return .decide(client: client)
            }
        case .finished:
            throw .alreadyFinished
        }
    }

    /// Whether the next message is a client's proof.
    var awaitsProof: Bool {
        switch half {
        case .server(let server): server.awaitsProof
        case .client: false
        case .finished: false
        }
    }

    /// Takes a client's proof, to be looked at elsewhere.
    mutating func take(proof message: [UInt8]) throws(HandshakeError) -> ClientProof {
        var current = Half.finished
        swap(&current, &half)
        switch consume current {
        case .server(var server):
            let proof = try server.take(proof: message)
            half = .server(server)
            return proof
        case .client: throw .outOfTurn
        case .finished: throw .alreadyFinished
        }
    }

    /// Goes on with the client whose proof was looked at.
    mutating func resume(with proved: consuming ProvedClient) throws(HandshakeError) {
        var current = Half.finished
        swap(&current, &half)
        switch consume current {
        case .server(var server):
            try server.resume(with: proved)
            half = .server(server)
        case .client: throw .outOfTurn
        case .finished: throw .alreadyFinished
        }
    }

    /// Lets the announced client in.
    mutating func accept() throws(HandshakeError) -> Acceptance {
        var current = Half.finished
        swap(&current, &half)
        switch consume current {
        case .server(var server): return try server.accept()
        case .client: throw .outOfTurn
        case .finished: throw .alreadyFinished
        }
    }
}
