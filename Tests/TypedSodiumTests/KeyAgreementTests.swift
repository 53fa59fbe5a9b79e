import TestSupport
import Testing
import TypedSodium

@Suite("Key agreement")
struct KeyAgreementTests {
    // Source: RFC 7748, section 6.1.
    let alice: Hex = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
    let alicePublic: Hex = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    let bob: Hex = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
    let bobPublic: Hex = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    let shared: Hex = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"

    /// X25519 coordinates of small order.
    ///
    /// Source: D. J. Bernstein, "Curve25519", "How do I validate Curve25519 public keys?".
    static let weakPoints: [Hex] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]

    @Test("agrees on the published secret, from both sides")
    func published() throws {
        let (a, b) = (try AgreementPublicKey(alicePublic.fixed()), try AgreementPublicKey(bobPublic.fixed()))
        #expect(EphemeralKeyPair(secret: try alice.secret()).publicKey == a)
        #expect(EphemeralKeyPair(secret: try bob.secret()).publicKey == b)
        #expect(try alice.secret().agree(with: b).isEqual(to: shared))
        #expect(try bob.secret().agree(with: a).isEqual(to: shared))
    }

    @Test("refuses coordinates of small order, with the ignored top bit either way", arguments: weakPoints)
    func lowOrder(_ point: Hex) throws {
        for encoded in [point, point.topBitTurned] {
            #expect(throws: SodiumError.weakKey) {
                _ = try alice.secret().agree(with: AgreementPublicKey(encoded.fixed()))
            }
        }
    }

    @Test("converts an identity as published")
    func conversion() throws {
        let vector = try Vectors.conversion()
        let identity = try Identity(seed: vector.ed25519_seed.secret())
        #expect(identity.publicKey.bytes.array == vector.ed25519_public.bytes)
        #expect(try identity.agreementSecret().isEqual(to: vector.curve25519_secret))
        #expect(try identity.publicKey.agreementKey().bytes.array == vector.curve25519_public.bytes)
    }

    @Test("does not convert a point of small order")
    func lowOrderIdentities() throws {
        for point in try Vectors.lowOrderPoints() {
            for encoded in [point, point.topBitTurned] {
                #expect(throws: SodiumError.notOnCurve) { try PublicKey(encoded.fixed()).agreementKey() }
            }
        }
    }

    @Test(
        "does not convert what is no point, or a point outside of the main subgroup",
        arguments: [
            "0200000000000000000000000000000000000000000000000000000000000000",
            "2ca32f3d4c0f7c5eb98f2d123d8b778b796b1b849632b104fe0d775573bd5159",
        ] as [Hex])
    func unconvertible(_ key: Hex) throws {
        #expect(throws: SodiumError.notOnCurve) { try PublicKey(key.fixed()).agreementKey() }
    }

    @Test("draws another pair each time")
    func random() {
        #expect(EphemeralKeyPair.random().publicKey != EphemeralKeyPair.random().publicKey)
    }
}
