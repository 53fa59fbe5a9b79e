import SecretHandshake
import TestSupport
import TypedSodium

/// The client's half of a handshake inside a tunnel, made by hand so that it can be wrong in every way.
struct HandmadeCaller {
    /// What it sends instead of a hello.
    enum Hello: CaseIterable {
        case none, cut, garbage, otherNetwork, weakKey
    }

    /// What it sends instead of a proof, behind a correct hello.
    enum Proof: CaseIterable {
        case garbage, flippedBit, otherServer, badSignature, borrowedKey, otherKey
    }

    let network: NetworkIdentifier
    let server: PublicKey
    /// Whose proof a correct one would be.
    let identity: Identity
    let stranger: Identity
    private let seed: [UInt8]
    private let noise: [UInt8]

    init(
        seed: UInt64, network: NetworkIdentifier, server: PublicKey, as identity: Identity,
        stranger: Identity
    ) {
        var random = SeededRandom(seed: seed)
        self.network = network
        self.server = server
        self.identity = identity
        self.stranger = stranger
        self.seed = random.bytes(32)
        noise = random.bytes(112)
    }

    private func ephemeral() throws -> EphemeralKeyPair {
        EphemeralKeyPair(secret: try SecretKey(copying: seed.span))
    }

    func hello() throws -> [UInt8] {
        ClientHello(ephemeralKey: try ephemeral().publicKey, network: network).bytes
    }

    func hello(_ hello: Hello) throws -> [UInt8] {
        switch hello {
        case .none: return []
        case .cut: return Array(try self.hello().dropLast())
        case .garbage: return Array(noise.prefix(64))
        case .otherNetwork:
            var other = network.bytes
            other.storage[0] ^= 1
            return ClientHello(ephemeralKey: try ephemeral().publicKey, network: NetworkIdentifier(other))
                .bytes
        case .weakKey:
            return ClientHello(ephemeralKey: AgreementPublicKey(FixedBytes()), network: network).bytes
        }
    }

    /// The third message, correct where nothing is to be wrong with it.
    func proof(_ proof: Proof? = nil, answering serverHello: [UInt8]) throws -> [UInt8] {
        let secret = try EphemeralSecret(
            ephemeral(), ServerHello(verifying: serverHello.span, network: network).ephemeralKey)
        let target = proof == .otherServer ? stranger.publicKey : server
        let sealer = AuthenticateKey(
            network: network, ephemeral: secret,
            server: try ServerSecret(ephemeral(), server: target.usableAgreementKey()))
        func sealed(by identity: Identity, _ change: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
            let own = ClientAuthenticate(by: identity, to: server, network: network, ephemeral: secret)
            var plain = own.signature.bytes.array + own.client.bytes.array
            change(&plain)
            return sealer.seal(plain)
        }
        switch proof {
        case nil, .otherServer: return sealed(by: identity)
        case .garbage: return noise
        case .flippedBit:
            var bytes = sealed(by: identity)
            bytes[111] ^= 1
            return bytes
        case .badSignature: return sealed(by: identity) { $0[0] ^= 1 }
        case .borrowedKey:
            return sealed(by: stranger) { [identity] in
                $0.replaceSubrange(64..., with: identity.publicKey.bytes.array)
            }
        case .otherKey: return sealed(by: stranger)
        }
    }
}
