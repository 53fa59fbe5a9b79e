internal import CSodium
internal import TypedSodium

/// Holds a kernel to libsodium's bytes: lengths around each border of its groups, random keys, the carry of a
/// block's number, single blocks of mixed nonces.
enum CipherSelfTest {
    private static let stateByteCount = 64

    static func passes(_ kernel: CipherKernel) -> Bool {
        if kernel.name == CipherKernel.libsodium.name { return true }
        return makesSameKeystream(kernel) && makesSameBlocks(kernel) && makesSameTags(kernel)
    }

    /// Every border of 1…16 blocks and of the 16 and 32 bytes within one.
    private static var lengths: [Int] {
        let borders = [0, 16, 32, 64, 128, 256, 512, 1024, 2048, 4064, 4096]
        return borders.flatMap { [$0 - 1, $0, $0 + 1] }.filter { $0 > 0 && $0 <= 4096 }
    }

    private static func makesSameKeystream(_ kernel: CipherKernel) -> Bool {
        lengths.allSatisfy { length in
            let (input, state) = (randomBytes(length), randomWords(16, lowBlock: UInt32.max - 3))
            return unsafe output(length) { unsafe kernel.combine(state, $0, input, length) }
                == output(length) { unsafe CipherKernel.libsodium.combine(state, $0, input, length) }
        }
    }

    private static func makesSameBlocks(_ kernel: CipherKernel) -> Bool {
        (1...CipherKernel.laneCount).allSatisfy { count in
            let (state, lanes) = (randomWords(16), randomWords(3 * CipherKernel.laneCount))
            let length = count * Keystream.blockByteCount
            return unsafe output(length) { unsafe kernel.writeBlocks(state, lanes, $0, count) }
                == output(length) { unsafe CipherKernel.libsodium.writeBlocks(state, lanes, $0, count) }
        }
    }

    private static func makesSameTags(_ kernel: CipherKernel) -> Bool {
        // Full limbs are where a carry would be missed.
        let full = [UInt8](repeating: 0xFF, count: 4096)
        return lengths.allSatisfy { length in
            [randomBytes(length), full].allSatisfy { message in
                let key = randomBytes(32)
                return unsafe output(16) { unsafe kernel.writeTag($0, message, length, key) }
                    == output(16) { unsafe CipherKernel.libsodium.writeTag($0, message, length, key) }
            }
        }
    }

    private static func output(
        _ byteCount: Int, _ write: (UnsafeMutablePointer<UInt8>) -> Void
    ) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: byteCount) {
            unsafe write($0.baseAddress.unsafelyUnwrapped)
            $1 = byteCount
        }
    }

    private static func randomBytes(_ count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) {
            unsafe randombytes_buf($0.baseAddress.unsafelyUnwrapped, count)
            $1 = count
        }
    }

    private static func randomWords(_ count: Int, lowBlock: UInt32? = nil) -> [UInt32] {
        var words = unsafe [UInt32](unsafeUninitializedCapacity: count) {
            unsafe randombytes_buf($0.baseAddress.unsafelyUnwrapped, count * 4)
            $1 = count
        }
        // The constants are libsodium's own.
        if count == 16 {
            (words[0], words[5], words[10], words[15]) = Keystream.constants
            if let lowBlock { words[8] = lowBlock }
        }
        return words
    }
}
