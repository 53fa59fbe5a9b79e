internal import SecretHandshake
internal import TypedSodium

/// Keys and a network that every target shares, made of fixed bytes so that a crash can be run again.
enum FuzzKeys {
    static let network = NetworkIdentifier(FixedBytes<32>())
    static let portal = identity(1)
    static let endpoint = identity(2)
    static let friend = identity(3)
    static let stranger = identity(4)

    static func identity(_ seed: UInt8) -> Identity {
        do {
            return try Identity(seed: key(seed))
        } catch {
            preconditionFailure("every seed makes an identity: \(error)")
        }
    }

    static func key(_ byte: UInt8) -> SecretKey {
        do {
            return try SecretKey(copying: [UInt8](repeating: byte, count: SecretKey.byteCount).span)
        } catch {
            preconditionFailure("32 bytes are a key: \(error)")
        }
    }

    static func ephemeral(_ byte: UInt8) -> EphemeralKeyPair { EphemeralKeyPair(secret: key(byte)) }
}

/// Each half hears its counterpart's genuine messages with bytes changed; one that was changed is refused.
enum HandshakeFuzz {
    static func run(_ input: inout FuzzInput) {
        do throws(HandshakeError) {
            var client = try ClientHandshake(
                network: FuzzKeys.network, identity: FuzzKeys.friend, server: FuzzKeys.endpoint.publicKey,
                ephemeral: FuzzKeys.ephemeral(11))
            var server = ServerHandshake(
                network: FuzzKeys.network, identity: FuzzKeys.endpoint, ephemeral: FuzzKeys.ephemeral(12))
            var isGenuine = true
            let hello = heard(client.hello, &input, &isGenuine)
            guard case .send(let answer) = try server.receive(hello.span) else { return }
            let serverHello = heard(answer, &input, &isGenuine)
            guard case .send(let proof) = try client.receive(serverHello.span) else { return }
            let authenticate = heard(proof, &input, &isGenuine)
            guard case .decide(let peer) = try server.receive(authenticate.span) else { return }
            // Bytes of a MAC that the other does not look at do not exist: a changed message proves nothing.
            precondition(isGenuine, "a changed message was taken for \(peer)")
            let acceptance = try server.accept()
            let accept = heard(acceptance.message, &input, &isGenuine)
            guard case .establish = try client.receive(accept.span) else { return }
            precondition(isGenuine, "a changed acceptance was taken")
        } catch {
            return
        }
    }

    private static func heard(
        _ message: [UInt8], _ input: inout FuzzInput, _ isGenuine: inout Bool
    ) -> [UInt8] {
        let spoilt = input.choice(8) == 7 ? input.take(message.count) : input.spoil(message)
        if spoilt != message { isGenuine = false }
        return spoilt
    }
}
