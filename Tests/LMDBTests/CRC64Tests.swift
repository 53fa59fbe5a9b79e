import LMDB
import TestSupport
import Testing

@Suite("CRC64")
struct CRC64Tests {
    @Test(
        "gives the published values",
        arguments: [
            // Greg Cook, Catalogue of parametrised CRC algorithms, CRC-64/XZ, check value.
            ("123456789", 0x995D_C9BB_DF19_39FA), ("", 0),
        ] as [(String, UInt64)])
    func published(_ text: String, _ value: UInt64) {
        #expect(checksum(Array(text.utf8)) == value)
    }

    @Test("notices every flipped bit and every change within eight bytes")
    func bursts() {
        var random = SeededRandom(seed: 64)
        let bytes = random.bytes(300)
        let intact = checksum(bytes)
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(checksum(flipped) != intact)
        }
        for start in 0..<bytes.count - 8 {
            var changed = bytes
            for index in start..<start + 8 { changed[index] = UInt8.random(in: 0...255, using: &random) }
            #expect(changed == bytes || checksum(changed) != intact)
        }
    }

    private func checksum(_ bytes: [UInt8]) -> UInt64 {
        var checksum = CRC64()
        checksum.update(bytes.span)
        return checksum.value
    }
}
