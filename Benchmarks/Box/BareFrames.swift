internal import BoxStream
internal import CSodium
internal import TypedSodium

/// What no frame can be had without: libsodium's calls with nothing around them; the bodies' keystream and tag
/// alone, with neither headers nor keys of their own; or a copy of the bodies, as a relay without encryption makes.
@safe
final class BareFrames: Contender {
    /// What is done with a body.
    enum Part {
        /// The calls that `BoxStream` makes for a frame, in its order, with any keys and nonces.
        case calls
        /// Salsa20 over it and Poly1305 over the outcome.
        case cipher
        /// A copy.
        case copy
    }

    private static let (blockByteCount, groupByteCount) = (64, 512)

    private let work: FrameWork
    private let part: Part
    /// Sealing and opening do the same, both do it twice; the calls of the two differ.
    private let passCount: Int
    private let batch: FrameBatch
    private let key: UnsafeMutablePointer<UInt8>
    private let tag: UnsafeMutablePointer<UInt8>
    private let scratch: UnsafeMutablePointer<UInt8>

    init(_ work: FrameWork, _ part: Part, bodyByteCount: Int, key bytes: [UInt8]) {
        self.work = work
        self.part = part
        passCount = work == .sealAndOpen && part != .calls ? 2 : 1
        batch = FrameBatch(bodyByteCount: bodyByteCount)
        unsafe key = .allocate(capacity: 32)
        for (index, byte) in bytes.enumerated() { unsafe (key + index).initialize(to: byte) }
        unsafe tag = .allocate(capacity: 16)
        unsafe tag.initialize(repeating: 0, count: 16)
        unsafe scratch = .allocate(capacity: Self.groupByteCount)
        unsafe scratch.initialize(repeating: 0, count: Self.groupByteCount)
    }

    deinit {
        unsafe key.deallocate()
        unsafe tag.deallocate()
        unsafe scratch.deallocate()
    }

    func performBatch() {
        for index in 0..<FrameBatch.frameCount {
            let body = unsafe batch.frame(index) + BoxFrame.headerByteCount
            for _ in 0..<passCount { unsafe handle(body.assumingMemoryBound(to: UInt8.self)) }
        }
        unsafe blackHole(batch.destination)
    }

    @unsafe
    private func handle(_ body: UnsafeMutablePointer<UInt8>) {
        let byteCount = batch.bodyByteCount
        switch part {
        case .calls:
            if work != .open { unsafe seal(body, byteCount: byteCount) }
            if work != .seal { unsafe open(body, byteCount: byteCount) }
        case .copy:
            unsafe batch.destination.copyMemory(from: body, byteCount: byteCount)
        case .cipher:
            // Any eight bytes do for a nonce here.
            unsafe crypto_stream_salsa20_xor_ic(body, body, UInt64(byteCount), key, 0, key)
            unsafe crypto_onetimeauth(tag, body, UInt64(byteCount), key)
        }
    }

    /// The header's block and tag, the body's key in front of it and its keystream, its tag.
    @unsafe
    private func seal(_ body: UnsafeMutablePointer<UInt8>, byteCount: Int) {
        unsafe crypto_core_salsa20(scratch, key, key, nil)
        unsafe applyKeystream(to: body - 32, byteCount: 32 + byteCount)
        unsafe crypto_onetimeauth(tag, body, UInt64(byteCount), key)
        unsafe crypto_onetimeauth(tag, scratch, 18, key)
    }

    /// The header's block and tag, the body's first block and tag, the rest of its keystream.
    @unsafe
    private func open(_ body: UnsafeMutablePointer<UInt8>, byteCount: Int) {
        unsafe crypto_core_salsa20(scratch, key, key, nil)
        _ = unsafe crypto_onetimeauth_verify(tag, scratch, 18, key)
        unsafe crypto_core_salsa20(scratch, key, key, nil)
        _ = unsafe crypto_onetimeauth_verify(tag, body, UInt64(byteCount), key)
        unsafe applyKeystream(
            to: batch.destination.assumingMemoryBound(to: UInt8.self), byteCount: byteCount - 32)
    }

    /// Whole groups in one call; for what is left a block, or a group in scratch.
    @unsafe
    private func applyKeystream(to bytes: UnsafeMutablePointer<UInt8>, byteCount: Int) {
        let rest = byteCount % Self.groupByteCount
        if byteCount > rest {
            unsafe crypto_stream_salsa20_xor_ic(bytes, bytes, UInt64(byteCount - rest), key, 0, key)
        }
        if rest > Self.blockByteCount {
            unsafe crypto_stream_salsa20_xor_ic(
                scratch, scratch, UInt64(Self.groupByteCount), key, 0, key)
        } else if rest > 0 {
            unsafe crypto_core_salsa20(scratch, key, key, nil)
        }
    }
}
