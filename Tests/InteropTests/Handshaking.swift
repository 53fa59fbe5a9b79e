import PeerSupport
import SecretHandshake
import TypedSodium

extension ClientHandshake {
    /// Runs the handshake over a socket.
    consuming func run(over socket: LoopbackSocket) throws -> SessionKeys {
        try socket.writeAll(hello)
        while let count = expectedByteCount {
            let message = try socket.read(exactly: count)
            switch try receive(message.span) {
            case .send(let answer): try socket.writeAll(answer)
            case .establish(let keys): return keys
            }
        }
        throw HandshakeError.alreadyFinished
    }
}

extension ServerHandshake {
    /// Runs the handshake over a socket, for one client alone; anybody else is refused in silence.
    consuming func run(
        over socket: LoopbackSocket, welcoming welcome: PublicKey
    ) throws -> SessionKeys {
        while let count = expectedByteCount {
            let message = try socket.read(exactly: count)
            switch try receive(message.span) {
            case .send(let answer): try socket.writeAll(answer)
            case .decide(let client):
                guard client == welcome else {
                    refuse()
                    throw UnwelcomeClient()
                }
                let acceptance = try accept()
                try socket.writeAll(acceptance.message)
                return acceptance.keys
            }
        }
        throw HandshakeError.alreadyFinished
    }
}

/// Somebody else than the expected client has proved to own a key.
struct UnwelcomeClient: Error {}
