import TestSupport
import Testing
import TypedSodium

@Suite("XChaCha20Poly1305")
struct XChaCha20Poly1305Tests {
    // Source: draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    let key: [UInt8] = Array(0x80...0x9f)
    let nonce: [UInt8] = Array(0x40...0x57)
    let associated: Hex = "50515253c0c1c2c3c4c5c6c7"
    let message = Array(
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
            .utf8)
    let box: Hex = """
        bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39\
        ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9\
        21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49
        """

    @Test("seals to the published box, and opens it")
    func published() throws {
        let key = try SecretKey(copying: key.span)
        let nonce = try Nonce(nonce)
        let sealed = XChaCha20Poly1305.seal(message.span, with: associated.bytes.span, key: key, nonce: nonce)
        #expect(sealed == box.bytes)
        let opened = try XChaCha20Poly1305.open(
            box.bytes.span, with: associated.bytes.span, key: key, nonce: nonce)
        #expect(opened == message)
    }

    @Test("opens nothing that was changed, cut off, or came with other data")
    func forged() throws {
        let key = try SecretKey(copying: key.span)
        let nonce = try Nonce(nonce)
        for index in box.bytes.indices {
            var changed = box.bytes
            changed[index] ^= 0x80
            #expect(throws: SodiumError.forged) {
                try XChaCha20Poly1305.open(changed.span, with: associated.bytes.span, key: key, nonce: nonce)
            }
        }
        for count in [0, 15, 16, box.bytes.count - 1] {
            let cut = Array(box.bytes.prefix(count))
            #expect(throws: SodiumError.forged) {
                try XChaCha20Poly1305.open(cut.span, with: associated.bytes.span, key: key, nonce: nonce)
            }
        }
        #expect(throws: SodiumError.forged) {
            try XChaCha20Poly1305.open(box.bytes.span, with: [UInt8]().span, key: key, nonce: nonce)
        }
    }
}
