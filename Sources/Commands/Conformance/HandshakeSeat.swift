internal import Glibc
internal import Node
package import SecretHandshake
package import TypedSodium

/// The peer broke the handshake, closed, or was silent: it learns nothing, and we exit with a code of failure.
package enum BadPeer: Error, Equatable, Sendable {
    /// Its bytes are none of this handshake.
    case broken(HandshakeError)
    /// It ended in the middle, or takes no more.
    case closed
    /// It said nothing for too long.
    case silent
}

/// One side of a secret handshake over two pipes; what blocks here, blocks a thread of its own.
package struct HandshakeSeat: Sendable {
    /// How long a whole handshake may take.
    package static let time = Duration.seconds(10)

    private let input: Int32
    private let output: Int32

    /// Reads messages from one descriptor and writes them to the other; both stay open.
    package init(input: Int32, output: Int32) {
        self.input = input
        self.output = output
    }

    static var ofProcess: HandshakeSeat { HandshakeSeat(input: STDIN_FILENO, output: STDOUT_FILENO) }

    // MARK: The two sides

    /// The server's side: lets every client in, and writes the session's keys behind its last message.
    ///
    /// - Throws: ``BadPeer``.
    package func answer(network: NetworkIdentifier, identity: Identity) throws(BadPeer) {
        var machine = ServerHandshake(network: network, identity: identity, ephemeral: .random())
        while let byteCount = machine.expectedByteCount {
            let message = try read(byteCount)
            let action = try Self.judged { () throws(HandshakeError) in try machine.receive(message.span) }
            if case .send(let bytes) = action { try write(bytes) }
        }
        let acceptance = try Self.judged { () throws(HandshakeError) in try machine.accept() }
        try write(acceptance.message)
        try writeKeys(acceptance.keys)
    }

    /// The client's side: writes the session's keys once the server has accepted.
    ///
    /// - Throws: ``BadPeer``.
    package func begin(
        with server: PublicKey, network: NetworkIdentifier, identity: Identity
    ) throws(BadPeer) {
        var machine = try Self.judged { () throws(HandshakeError) in
            try ClientHandshake(network: network, identity: identity, server: server, ephemeral: .random())
        }
        try write(machine.hello)
        while let byteCount = machine.expectedByteCount {
            let message = try read(byteCount)
            let action = try Self.judged { () throws(HandshakeError) in try machine.receive(message.span) }
            switch consume action {
            case .send(let bytes): try write(bytes)
            case .establish(let keys): try writeKeys(keys)
            }
        }
    }

    private static func judged<Value: ~Copyable>(
        _ step: () throws(HandshakeError) -> Value
    ) throws(BadPeer) -> Value {
        do throws(HandshakeError) {
            return try step()
        } catch {
            throw .broken(error)
        }
    }

    // MARK: Bytes

    /// Exactly so many bytes: what follows belongs to the session.
    private func read(_ byteCount: Int) throws(BadPeer) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < byteCount {
            var piece = [UInt8](repeating: 0, count: byteCount - bytes.count)
            guard let count = try? StandardStream.read(input, into: &piece), count > 0 else {
                throw .closed
            }
            bytes += piece[..<count]
        }
        return bytes
    }

    private func write(_ bytes: [UInt8]) throws(BadPeer) {
        do throws(StandardStreamFailure) {
            try StandardStream.write(bytes[...], to: output)
        } catch {
            throw .closed
        }
    }

    private func writeKeys(_ keys: borrowing SessionKeys) throws(BadPeer) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(2 * (SecretKey.byteCount + keys.encryptNonce.array.count))
        defer { wipe(&bytes) }
        keys.encryptKey.append(to: &bytes)
        bytes.append(contentsOf: keys.encryptNonce.array)
        keys.decryptKey.append(to: &bytes)
        bytes.append(contentsOf: keys.decryptNonce.array)
        try write(bytes)
    }

    // MARK: Time

    /// Runs one side in a thread of its own, for as long as a handshake may take.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/unexpected`` for a bad peer.
    func run(_ side: @escaping @Sendable (HandshakeSeat) throws(BadPeer) -> Void) async throws(CommandFailure)
    {
        let (results, continuation) = AsyncStream.makeStream(of: Result<Void, BadPeer>.self)
        DetachedThread.start {
            do throws(BadPeer) {
                try side(self)
                continuation.yield(.success(()))
            } catch {
                continuation.yield(.failure(error))
            }
        }
        let timer = Task {
            try? await Task.sleep(for: Self.time)
            continuation.yield(.failure(.silent))
        }
        defer { timer.cancel() }
        for await result in results {
            do throws(BadPeer) {
                return try result.get()
            } catch {
                throw CommandFailure(.unexpected, "no handshake: \(error)")
            }
        }
        throw CommandFailure(.unexpected, "no handshake: interrupted")
    }
}
