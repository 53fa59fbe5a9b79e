internal import BoxStream
internal import CSodium
internal import Sodium

/// What no frame can be had without: the bodies' keystream and tag, with neither headers nor keys of their
/// own; or a copy of the bodies, which is what a relay without encryption may cost.
@safe
final class BareFrames: Contender {
    /// What is done with a body.
    enum Part {
        /// Salsa20 over it and Poly1305 over the outcome.
        case cipher
        /// A copy.
        case copy
    }

    private let part: Part
    /// Sealing and opening do the same, both do it twice.
    private let passCount: Int
    private let batch: FrameBatch
    private let key: UnsafeMutablePointer<UInt8>
    private let tag: UnsafeMutablePointer<UInt8>

    init(_ work: FrameWork, _ part: Part, bodyByteCount: Int, key bytes: [UInt8]) {
        self.part = part
        passCount = work == .sealAndOpen ? 2 : 1
        batch = FrameBatch(bodyByteCount: bodyByteCount)
        unsafe key = .allocate(capacity: 32)
        for (index, byte) in bytes.enumerated() { unsafe (key + index).initialize(to: byte) }
        unsafe tag = .allocate(capacity: 16)
        unsafe tag.initialize(repeating: 0, count: 16)
    }

    deinit {
        unsafe key.deallocate()
        unsafe tag.deallocate()
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
        case .copy:
            unsafe batch.destination.copyMemory(from: body, byteCount: byteCount)
        case .cipher:
            // Any eight bytes do for a nonce here.
            unsafe crypto_stream_salsa20_xor_ic(body, body, UInt64(byteCount), key, 0, key)
            unsafe crypto_onetimeauth(tag, body, UInt64(byteCount), key)
        }
    }
}
