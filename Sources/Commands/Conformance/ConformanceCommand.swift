package import ArgumentParser
internal import Node
internal import SecretHandshake
internal import TypedSodium

/// `cway conformance`: single protocols on standard input and output, for test suites of other implementations.
package struct ConformanceCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    package static let configuration = CommandConfiguration(
        commandName: "conformance",
        abstract: "Speak one protocol on standard input and output, for conformance tests.",
        discussion: """
            Keys are hexadecimal. After a good handshake four values follow the last message, raw: the key to encrypt \
            with (32 bytes), its nonce (24), the key to decrypt with (32), its nonce (24). A bad peer, one that is \
            silent for 10 seconds included, gets nothing more, and the code is 1.

            EXAMPLES
              cway conformance shs-server NETWORK-HEX SECRET-HEX PUBLIC-HEX
              cway conformance shs-client NETWORK-HEX SERVER-PUBLIC-HEX
            """,
        shouldDisplay: false,
        subcommands: [HandshakeServerCommand.self, HandshakeClientCommand.self])

    /// Made by ArgumentParser.
    package init() {}
}

/// `cway conformance shs-server`: the server's side of one secret handshake.
struct HandshakeServerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shs-server", abstract: "Answer one secret handshake, letting any client in.")

    @Argument(help: "The network identifier, 32 bytes.")
    private var networkHex: String

    // No transform: ArgumentParser's complaint about it would show the secret.
    @Argument(help: "The server's secret key, 64 bytes: the seed, then the public key. For tests only.")
    private var secretHex: String

    @Argument(help: "The server's public key, 32 bytes.")
    private var publicHex: String

    func run() async throws {
        let network = NetworkIdentifier(try Hexadecimal.value(networkHex, "NETWORK-HEX"))
        let publicKey = PublicKey(try Hexadecimal.value(publicHex, "PUBLIC-HEX"))
        CommandEnvironment.current.hideArgument(secretHex)
        let identity = try Hexadecimal.identity(secretHex, "SECRET-HEX")
        guard identity.publicKey == publicKey else {
            throw CommandFailure(
                .usage, "PUBLIC-HEX does not belong to SECRET-HEX: give both of one key pair")
        }
        try await HandshakeSeat.ofProcess.run { seat throws(BadPeer) in
            try seat.answer(network: network, identity: identity)
        }
    }
}

/// `cway conformance shs-client`: the client's side of one secret handshake.
struct HandshakeClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shs-client", abstract: "Begin one secret handshake, with a fresh identity.")

    @Argument(help: "The network identifier, 32 bytes.")
    private var networkHex: String

    @Argument(help: "The server's public key, 32 bytes.")
    private var serverPublicHex: String

    func run() async throws {
        let network = NetworkIdentifier(try Hexadecimal.value(networkHex, "NETWORK-HEX"))
        let server = PublicKey(try Hexadecimal.value(serverPublicHex, "SERVER-PUBLIC-HEX"))
        let identity = try Identity.random()
        try await HandshakeSeat.ofProcess.run { seat throws(BadPeer) in
            try seat.begin(with: server, network: network, identity: identity)
        }
    }
}

/// Hexadecimal arguments; complaints name the argument and never show it.
extension Hexadecimal {
    fileprivate static func value<let count: Int>(
        _ text: String, _ name: String
    ) throws(CommandFailure) -> FixedBytes<count> {
        guard let bytes = bytes(of: text), let value = try? FixedBytes<count>(bytes) else {
            throw CommandFailure(.usage, "\(name) must be \(count * 2) hexadecimal digits")
        }
        return value
    }

    fileprivate static func identity(_ text: String, _ name: String) throws(CommandFailure) -> Identity {
        var bytes = bytes(of: text) ?? []
        defer { wipe(&bytes) }
        do throws(SodiumError) {
            return try Identity(secretBytes: bytes.span)
        } catch {
            throw CommandFailure(
                .usage, "\(name) must be 128 hexadecimal digits, a seed and its public key (\(error))")
        }
    }
}
