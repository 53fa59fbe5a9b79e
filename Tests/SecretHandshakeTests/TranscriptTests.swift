import SecretHandshake
import TestSupport
import Testing
import TypedSodium

/// A whole published handshake, byte for byte.
struct Transcript: Decodable {
    let server_key_seed, client_key_seed, server_eph_key_seed, client_eph_key_seed: Hex
    let client_challenge, server_challenge, client_auth, server_accept: Hex
    let inter_shared_secret, box_secret, shared_secret: Hex
    let client_encrypt_key, client_decrypt_key, client_encrypt_nonce, client_decrypt_nonce: Hex
    let app_key: Hex

    static func load() throws -> Transcript {
        try #require(Vectors.load("shs-transcripts", as: [Transcript].self).first)
    }

    func client() throws -> ClientHandshake {
        try ClientHandshake(
            network: app_key.network(), identity: client_key_seed.identity(),
            server: server_key_seed.identity().publicKey, ephemeral: client_eph_key_seed.ephemeral())
    }

    func server() throws -> ServerHandshake {
        ServerHandshake(
            network: try app_key.network(), identity: try server_key_seed.identity(),
            ephemeral: try server_eph_key_seed.ephemeral())
    }
}

@Suite("Transcripts")
struct TranscriptTests {
    let transcript: Transcript

    init() throws { transcript = try Transcript.load() }

    @Test("the client's side is reproduced")
    func client() throws {
        var client = try transcript.client()
        #expect(client.hello == transcript.client_challenge.bytes)
        #expect(try client.answer(transcript.server_challenge.bytes) == transcript.client_auth.bytes)
        let keys = try client.establish(transcript.server_accept.bytes)
        try check(
            keys, encrypt: transcript.client_encrypt_key, transcript.client_encrypt_nonce,
            decrypt: transcript.client_decrypt_key, transcript.client_decrypt_nonce)
    }

    @Test("the server's side is reproduced")
    func server() throws {
        var server = try transcript.server()
        #expect(
            try server.receive(transcript.client_challenge.bytes.span)
                == .send(transcript.server_challenge.bytes))
        #expect(
            try server.receive(transcript.client_auth.bytes.span)
                == .decide(client: transcript.client_key_seed.identity().publicKey))
        let acceptance = try server.accept()
        #expect(acceptance.message == transcript.server_accept.bytes)
        try check(
            acceptance.keys, encrypt: transcript.client_decrypt_key, transcript.client_decrypt_nonce,
            decrypt: transcript.client_encrypt_key, transcript.client_encrypt_nonce)
    }

    @Test("the secrets in between are reproduced")
    func secrets() throws {
        let network = try transcript.app_key.network()
        let server = try transcript.server_key_seed.identity()
        let own = try transcript.client_eph_key_seed.ephemeral()
        let hello = try ServerHello(verifying: transcript.server_challenge.bytes.span, network: network)
        let ephemeral = try EphemeralSecret(own, hello.ephemeralKey)
        let acceptKey = AcceptKey(
            network: network, ephemeral: ephemeral,
            server: try ServerSecret(own, server: server.publicKey.usableAgreementKey()),
            client: try ClientSecret(transcript.client_key_seed.identity(), hello))
        #expect(try ephemeral.key.isEqual(to: transcript.inter_shared_secret))
        #expect(try acceptKey.key.isEqual(to: transcript.box_secret))
        #expect(try SessionSecret(acceptKey).key.isEqual(to: transcript.shared_secret))
    }

    private func check(
        _ keys: borrowing SessionKeys, encrypt: Hex, _ encryptNonce: Hex, decrypt: Hex, _ decryptNonce: Hex
    ) throws {
        #expect(try keys.encryptKey.isEqual(to: encrypt))
        #expect(try keys.decryptKey.isEqual(to: decrypt))
        #expect(keys.encryptNonce.array == encryptNonce.bytes)
        #expect(keys.decryptNonce.array == decryptNonce.bytes)
    }
}
