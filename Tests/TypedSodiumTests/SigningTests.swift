import TestSupport
import Testing
import TypedSodium

@Suite("Signing")
struct SigningTests {
    struct Vector: Sendable {
        let seed, publicKey, message, signature: Hex
    }

    // Source: RFC 8032, section 7.1, tests 1 to 3.
    static let vectors = [
        Vector(
            seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            message: "",
            signature: """
                e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
                d25bf5f0595bbe24655141438e7a100b
                """),
        Vector(
            seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            message: "72",
            signature: """
                92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c\
                387b2eaeb4302aeeb00d291612bb0c00
                """),
        Vector(
            seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            message: "af82",
            signature: """
                6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659\
                4a7c15e9716ed28dc027beceea1ec40a
                """),
    ]

    @Test("signs and verifies as published", arguments: vectors)
    func published(_ vector: Vector) throws {
        let identity = try Identity(seed: vector.seed.secret())
        #expect(identity.publicKey.bytes.array == vector.publicKey.bytes)
        let signature = identity.sign(vector.message.bytes.span)
        #expect(signature.bytes.array == vector.signature.bytes)
        #expect(identity.publicKey.verifies(signature, of: vector.message.bytes))
    }

    @Test("refuses a signature with any bit flipped", arguments: vectors)
    func flippedBits(_ vector: Vector) throws {
        let key = PublicKey(try vector.publicKey.fixed())
        for bit in 0..<Signature.byteCount * 8 {
            var forged = vector.signature.bytes
            forged[bit / 8] ^= 1 << (bit % 8)
            let signature = Signature(try FixedBytes(forged))
            #expect(!key.verifies(signature, of: vector.message.bytes))
        }
    }

    @Test("refuses another message")
    func otherMessage() throws {
        let vector = Self.vectors[1]
        let signature = Signature(try vector.signature.fixed())
        #expect(!PublicKey(try vector.publicKey.fixed()).verifies(signature, of: [0x73]))
    }

    @Test("refuses S with the group's order added", arguments: vectors)
    func malleated(_ vector: Vector) throws {
        let order: Hex = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"
        var bytes = vector.signature.bytes
        var carry = 0
        for (index, byte) in order.bytes.enumerated() {
            carry += Int(bytes[32 + index]) + Int(byte)
            bytes[32 + index] = UInt8(carry & 0xFF)
            carry >>= 8
        }
        #expect(carry == 0)
        let signature = Signature(try FixedBytes(bytes))
        #expect(!PublicKey(try vector.publicKey.fixed()).verifies(signature, of: vector.message.bytes))
    }

    /// With S = 0 the equation holds for every key and R that cancel each other, and for any message when both
    /// are the neutral point.
    @Test("refuses a key of small order, whatever R is")
    func lowOrderKeys() throws {
        let points = try Vectors.lowOrderPoints().flatMap { [$0, $0.topBitTurned] }
        let zero = [UInt8](repeating: 0, count: 32)
        for key in points {
            for commitment in points {
                let signature = Signature(try FixedBytes(commitment.bytes + zero))
                #expect(!PublicKey(try key.fixed()).verifies(signature, of: [1, 2, 3]))
            }
        }
    }

    /// The signature was computed as S = H(R ‖ A ‖ M) · a with R the neutral point, so its equation holds.
    @Test("refuses an R of small order although the equation holds")
    func lowOrderCommitment() throws {
        let key: Hex = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
        let forged: Hex = """
            0100000000000000000000000000000000000000000000000000000000000000\
            aad91d79f4bd4b26776917971dcbce13da729cdcf8b686b38cc19657e61c190b
            """
        let signature = Signature(try forged.fixed())
        let message = Array("companionway".utf8)
        #expect(!PublicKey(try key.fixed()).verifies(signature, of: message))
    }
}
