import TestSupport
import Testing
import TypedSodium

@Suite("KeyDerivation")
struct KeyDerivationTests {
    // Source: computed with Python's hashlib.blake2b from libsodium's documentation of crypto_kdf: the master key as
    // key, the number in 16 bytes as salt, the context in 16 bytes as person, no message.
    @Test(
        "keys are as another implementation computes them",
        arguments: [
            (0, "d676d6d54480f13ed75c930629f21919bf7126656e4b7f9ef045ee34ac288161"),
            (1, "db4b973a1a3ff12de3d88891c60acf8438ed707a73b3d16dd62048c3a6e372e9"),
            (2, "9cbaaf210febc1fa0dd67c55d3cb14ad7bdb01406c50c27fbce371cd979181e8"),
            (.max, "200770b2719cf38e542a08f945529e9243859c9a51ab656ee9c70c2393cfcafe"),
        ] as [(UInt64, Hex)])
    func independent(_ number: UInt64, _ expected: Hex) throws {
        let master = try SecretKey(copying: [UInt8](0..<32).span)
        let context = try KeyDerivation.Context("Examples".utf8)
        for guarded in [false, true] {
            let key = try KeyDerivation.key(number, context: context, master: master, guarded: guarded)
            #expect(try key.isEqual(to: expected))
        }
    }

    @Test("another context gives another key")
    func context() throws {
        let master = try SecretKey(copying: [UInt8](0..<32).span)
        let key = try KeyDerivation.key(1, context: KeyDerivation.Context("Examples".utf8), master: master)
        let other = try KeyDerivation.key(1, context: KeyDerivation.Context("Example2".utf8), master: master)
        let isSame = key.isEqual(to: other)
        #expect(!isSame)
    }
}
