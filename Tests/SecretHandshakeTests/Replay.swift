import SecretHandshake
import TestSupport
import Testing
import TypedSodium

/// Our steps, run on the state that another implementation was in.
struct Replay {
    let state: RecordedState

    func initialize() throws {
        let local = state.local
        let hello = ClientHello(ephemeralKey: try ephemeral().publicKey, network: try network)
        #expect(hello.ephemeralKey.bytes.array == local.kx_pk.bytes)
        #expect(hello.code.array == local.app_mac.bytes)
        #expect(try identity.publicKey.bytes.array == local.publicKey.bytes)
        if let random = state.random, let scalar = local.kx_sk {
            // The recorded implementation makes its ephemeral key from a random Ed25519 seed.
            #expect(try random.identity().agreementSecret().isEqual(to: scalar))
        }
    }

    func createHello() throws -> [UInt8] {
        ClientHello(ephemeralKey: try ephemeral().publicKey, network: try network).bytes
    }

    func verifyClientHello(_ message: [UInt8], after: RecordedState?) throws {
        guard let after else {
            #expect(throws: HandshakeError.wrongNetwork) {
                try ClientHello(verifying: message.span, network: network)
            }
            return
        }
        let hello = try ClientHello(verifying: message.span, network: network)
        let secret = try EphemeralSecret(ephemeral(), hello.ephemeralKey)
        #expect(hello.code.array == after.remote.app_mac?.bytes)
        #expect(try secret.key.isEqual(to: #require(after.secret)))
        #expect(try secret.digest.isEqual(to: #require(after.shash)))
    }

    func verifyServerHello(_ message: [UInt8], after: RecordedState?) throws {
        guard let after else {
            #expect(throws: HandshakeError.wrongNetwork) {
                try ServerHello(verifying: message.span, network: network)
            }
            return
        }
        let hello = try ServerHello(verifying: message.span, network: network)
        let secret = try EphemeralSecret(ephemeral(), hello.ephemeralKey)
        let serverSecret = try ServerSecret(ephemeral(), server: remote().usableAgreementKey())
        let key = AuthenticateKey(network: try network, ephemeral: secret, server: serverSecret)
        #expect(try secret.key.isEqual(to: #require(after.secret)))
        #expect(try secret.digest.isEqual(to: #require(after.shash)))
        #expect(try serverSecret.key.isEqual(to: #require(after.a_bob)))
        #expect(try key.key.isEqual(to: #require(after.secret2)))
    }

    func createAuthenticate() throws -> [UInt8] {
        let secret = try ephemeralSecret()
        let serverSecret = try ServerSecret(ephemeral(), server: remote().usableAgreementKey())
        let key = AuthenticateKey(network: try network, ephemeral: secret, server: serverSecret)
        return try ownAuthenticate(secret).sealed(with: key)
    }

    func verifyAuthenticate(_ message: [UInt8], after: RecordedState?) throws {
        let secret = try ephemeralSecret()
        let serverSecret = try ServerSecret(identity, peerHello())
        let key = AuthenticateKey(network: try network, ephemeral: secret, server: serverSecret)
        #expect(try key.key.isEqual(to: #require(state.secret2)))
        guard let after else {
            let error = try failure(of: message, key: key, secret: secret)
            #expect(error == .forged)
            return
        }
        let authenticate = try ClientAuthenticate(
            opening: message.span, with: key, server: identity.publicKey, network: network,
            ephemeral: secret)
        #expect(authenticate.plain == after.remote.hello?.bytes)
        #expect(authenticate.client.bytes.array == after.remote.publicKey?.bytes)
        let clientSecret = try ClientSecret(
            ephemeral(), client: authenticate.client.usableAgreementKey())
        let acceptKey = AcceptKey(
            network: try network, ephemeral: secret, server: serverSecret, client: clientSecret)
        #expect(try clientSecret.key.isEqual(to: #require(after.b_alice)))
        #expect(try acceptKey.key.isEqual(to: #require(after.secret3)))
    }

    /// Sealed with the recorded keys, after the client's proof, itself taken from the state, was sealed anew.
    func createAccept() throws -> [UInt8] {
        let secret = try ephemeralSecret()
        let serverSecret = try ServerSecret(identity, peerHello())
        let authenticateKey = AuthenticateKey(
            network: try network, ephemeral: secret, server: serverSecret)
        let box = authenticateKey.seal(try #require(state.remote.hello).bytes)
        let authenticate = try ClientAuthenticate(
            opening: box.span, with: authenticateKey, server: identity.publicKey, network: network,
            ephemeral: secret)
        let clientSecret = try ClientSecret(
            ephemeral(), client: authenticate.client.usableAgreementKey())
        let key = AcceptKey(
            network: try network, ephemeral: secret, server: serverSecret, client: clientSecret)
        return try ServerAccept(by: identity, to: authenticate, network: network, ephemeral: secret)
            .sealed(with: key)
    }

    func verifyAccept(_ message: [UInt8]) throws {
        let secret = try ephemeralSecret()
        let serverSecret = try ServerSecret(ephemeral(), server: remote().usableAgreementKey())
        let hello = ServerHello(ephemeralKey: try peerEphemeralKey(), network: try network)
        let clientSecret = try ClientSecret(identity, hello)
        let key = AcceptKey(
            network: try network, ephemeral: secret, server: serverSecret, client: clientSecret)
        #expect(try clientSecret.key.isEqual(to: #require(state.b_alice)))
        #expect(try key.key.isEqual(to: #require(state.secret3)))
        _ = try ServerAccept(
            opening: message.span, with: key, server: remote(), authenticate: ownAuthenticate(secret),
            network: network, ephemeral: secret)
    }

    private var network: NetworkIdentifier { get throws { try state.app_key.network() } }

    private var identity: Identity {
        get throws { try Identity(secretBytes: state.local.secretKey.bytes.span) }
    }

    private func ephemeral() throws -> EphemeralKeyPair { try #require(state.local.kx_sk).ephemeral() }

    private func remote() throws -> PublicKey { try #require(state.remote.publicKey).publicKey() }

    private func peerEphemeralKey() throws -> AgreementPublicKey {
        AgreementPublicKey(try #require(state.remote.kx_pk).fixed())
    }

    private func peerHello() throws -> ClientHello {
        ClientHello(ephemeralKey: try peerEphemeralKey(), network: try network)
    }

    private func ephemeralSecret() throws -> EphemeralSecret {
        try EphemeralSecret(ephemeral(), peerEphemeralKey())
    }

    private func ownAuthenticate(_ secret: borrowing EphemeralSecret) throws -> ClientAuthenticate {
        ClientAuthenticate(by: try identity, to: try remote(), network: try network, ephemeral: secret)
    }

    private func failure(
        of message: [UInt8], key: borrowing AuthenticateKey, secret: borrowing EphemeralSecret
    ) throws -> HandshakeError? {
        let (identity, network) = (try identity, try network)
        do throws(HandshakeError) {
            _ = try ClientAuthenticate(
                opening: message.span, with: key, server: identity.publicKey, network: network,
                ephemeral: secret)
            return nil
        } catch {
            return error
        }
    }
}

extension ClientAuthenticate {
    /// The recorded `hello`: signature, then key.
    fileprivate var plain: [UInt8] { signature.bytes.array + client.bytes.array }
}
