import TestSupport
import Testing
import TypedSodium

@Suite("SecretBox")
struct SecretBoxTests {
    // Source: NaCl 20110221, tests/secretbox.c and its expected output, without the leading zero bytes.
    let key: Hex = "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389"
    let nonce: Hex = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37"
    let message: Hex = """
        be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129\
        6cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde\
        048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705
        """
    let box: Hex = """
        f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a\
        c0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae\
        90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74\
        e355a5
        """

    @Test("seals to the published box")
    func seal() throws {
        let sealed = SecretBox.seal(message.bytes.span, key: try key.secret(), nonce: try nonce.fixed())
        #expect(sealed == box.bytes)
    }

    @Test("opens the published box")
    func open() throws {
        let opened = try SecretBox.open(box.bytes.span, key: key.secret(), nonce: nonce.fixed())
        #expect(opened == message.bytes)
    }

    @Test("opens what it sealed, nothing included", arguments: [0, 1, 63, 64, 65, 4096])
    func roundTrip(_ count: Int) throws {
        var random = SeededRandom(seed: UInt64(count))
        let key = try SecretKey(copying: random.bytes(32).span)
        let nonce = try Nonce(random.bytes(24))
        let message = random.bytes(count)
        let box = SecretBox.seal(message.span, key: key, nonce: nonce)
        #expect(box.count == count + SecretBox.overheadByteCount)
        #expect(try SecretBox.open(box.span, key: key, nonce: nonce) == message)
    }

    @Test("seals a key as it does its bytes, and opens it again")
    func keys() throws {
        let key = try key.secret()
        let nonce: Nonce = try nonce.fixed()
        let bytes = Array(message.bytes.prefix(32))
        let secret = try SecretKey(copying: bytes.span)
        let box = SecretBox.seal(secret, key: key, nonce: nonce)
        #expect(box == SecretBox.seal(bytes.span, key: key, nonce: nonce))
        let isSame = try SecretBox.openKey(box.span, key: key, nonce: nonce).isEqual(to: secret)
        #expect(isSame)
        var forged = box
        forged[20] ^= 1
        #expect(throws: SodiumError.forged) { _ = try SecretBox.openKey(forged.span, key: key, nonce: nonce) }
        #expect(throws: SodiumError.wrongByteCount(131, expected: 32)) {
            _ = try SecretBox.openKey(self.box.bytes.span, key: key, nonce: nonce)
        }
    }

    @Test("refuses a box with any bit flipped")
    func flippedBits() throws {
        for bit in 0..<box.bytes.count * 8 {
            var forged = box.bytes
            forged[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: SodiumError.forged) {
                try SecretBox.open(forged.span, key: key.secret(), nonce: nonce.fixed())
            }
        }
    }

    @Test("refuses what is shorter than a tag", arguments: 0..<16)
    func tooShort(_ count: Int) throws {
        let box = [UInt8](repeating: 0, count: count)
        #expect(throws: SodiumError.forged) {
            try SecretBox.open(box.span, key: key.secret(), nonce: nonce.fixed())
        }
    }
}
