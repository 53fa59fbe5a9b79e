internal import CBoxCipher
internal import CSodium
internal import TypedSodium

/// The code that makes keystream and tags: one build of `CBoxCipher`, or libsodium.
///
/// A state is Salsa20's sixteen words, and lanes are three rows of sixteen, as `box_cipher.h` lays them out.
@safe
struct CipherKernel: Sendable {
    // Safety: the pointers lead to C functions, which live as long as the process; whoever calls one vouches
    // for the memory.
    typealias Combine =
        @convention(c) (UnsafePointer<UInt32>, UnsafeMutablePointer<UInt8>, UnsafePointer<UInt8>, Int) -> Void
    typealias WriteBlocks =
        @convention(c) (UnsafePointer<UInt32>, UnsafePointer<UInt32>, UnsafeMutablePointer<UInt8>, Int) ->
        Void
    typealias WriteTag =
        @convention(c) (
            UnsafeMutablePointer<UInt8>, UnsafePointer<UInt8>, Int, UnsafePointer<UInt8>
        ) -> Void

    /// How many blocks ``writeBlocks`` makes in one call at most.
    static var laneCount: Int { Int(BOX_CIPHER_LANE_COUNT) }

    /// As it is chosen by: `avx512`, `avx512f`, `avx2`, `sse2`, `neon`, `libsodium`.
    let name: String
    /// How many blocks it makes in the time of one.
    let width: Int
    /// Combines bytes with the keystream from the state's block on; in place, or apart.
    let combine: Combine
    /// Writes single blocks, each of a nonce and a number of its own.
    let writeBlocks: WriteBlocks
    /// Writes the tag of bytes under a key.
    let writeTag: WriteTag

    /// Whether it was built to be used: without the compiler's optimisation libsodium is faster.
    var isFast: Bool { box_cipher_is_optimized() != 0 }

    /// What the others are held to, and what serves where none of them is right.
    static let libsodium = unsafe CipherKernel(
        name: "libsodium", width: 1, combine: LibsodiumCipher.combine,
        writeBlocks: LibsodiumCipher.writeBlocks,
        writeTag: LibsodiumCipher.writeTag)

    /// Those that this machine can run, the fastest first and libsodium last.
    static let available: [CipherKernel] = {
        let capacity = 8
        let built = unsafe [UnsafePointer<box_cipher_kernel>?](unsafeUninitializedCapacity: capacity) {
            unsafe $0.initialize(repeating: nil)
            unsafe $1 = box_cipher_kernels($0.baseAddress.unsafelyUnwrapped, capacity)
        }
        return unsafe built.compactMap { unsafe $0.map { unsafe CipherKernel($0.pointee) } } + [libsodium]
    }()

    private init(
        name: String, width: Int, combine: Combine, writeBlocks: WriteBlocks, writeTag: WriteTag
    ) {
        self.name = name
        self.width = width
        unsafe self.combine = combine
        unsafe self.writeBlocks = writeBlocks
        unsafe self.writeTag = writeTag
    }

    private init(_ kernel: box_cipher_kernel) {
        unsafe self.init(
            name: String(cString: kernel.name), width: kernel.width, combine: kernel.combine,
            writeBlocks: kernel.blocks,
            writeTag: kernel.tag ?? LibsodiumCipher.writeTag)
    }
}

/// Libsodium's functions in the form of a kernel's.
private enum LibsodiumCipher {
    static var combine: CipherKernel.Combine {
        { state, output, input, byteCount in
            let block = unsafe UInt64(state[9]) << 32 | UInt64(state[8])
            unsafe LibsodiumCipher.withKey(of: state) { key, nonce in
                let nonceBytes = unsafe UnsafeMutableRawPointer(nonce).assumingMemoryBound(to: UInt8.self)
                expectSuccess(
                    unsafe crypto_stream_salsa20_xor_ic(
                        output, input, UInt64(byteCount), nonceBytes, block, key))
            }
        }
    }

    static var writeBlocks: CipherKernel.WriteBlocks {
        { state, lanes, output, count in
            unsafe LibsodiumCipher.withKey(of: state) { key, input in
                for lane in 0..<count {
                    for row in 0..<3 { unsafe input[row] = lanes[row * CipherKernel.laneCount + lane] }
                    let block = unsafe output + lane * Keystream.blockByteCount
                    expectSuccess(unsafe crypto_core_salsa20(block, input, key, nil))
                }
            }
        }
    }

    static var writeTag: CipherKernel.WriteTag {
        { tag, message, byteCount, key in
            expectSuccess(unsafe crypto_onetimeauth(tag, message, UInt64(byteCount), key))
        }
    }

    /// Lends the key as libsodium wants it, and the input of one block: nonce, number and zeros, four words.
    ///
    /// Both are a copy that is wiped after the call.
    @unsafe
    private static func withKey(
        of state: UnsafePointer<UInt32>,
        _ body: (_ key: UnsafePointer<UInt8>, _ input: UnsafeMutablePointer<UInt32>) -> Void
    ) {
        let keyWordCount = 8
        let wordCount = keyWordCount + 4
        unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: wordCount) { scratch in
            let words = unsafe scratch.baseAddress.unsafelyUnwrapped
            for index in 0..<4 {
                unsafe words[index] = state[1 + index]
                unsafe words[4 + index] = state[11 + index]
                unsafe words[keyWordCount + index] = index < 2 ? state[6 + index] : 0
            }
            let key = unsafe UnsafeRawPointer(words).assumingMemoryBound(to: UInt8.self)
            unsafe body(key, words + keyWordCount)
            unsafe sodium_memzero(words, wordCount * MemoryLayout<UInt32>.stride)
        }
    }
}
