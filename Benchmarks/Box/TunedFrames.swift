internal import BoxStream
internal import TypedSodium

/// The work done by `BoxStream`.
final class TunedFrames: Contender {
    private let work: FrameWork
    private let batch: FrameBatch
    private let key: [UInt8]
    private let nonce: Nonce
    private var sealer: Sealer
    private var opener: Opener

    /// Prepares sealed frames where only opening is measured.
    init(_ work: FrameWork, bodyByteCount: Int, key: [UInt8], nonce: Nonce) throws {
        (self.work, self.key, self.nonce) = (work, key, nonce)
        batch = FrameBatch(bodyByteCount: bodyByteCount)
        sealer = Sealer(key: try Self.secretKey(key), nonce: nonce)
        opener = Opener(key: try Self.secretKey(key), nonce: nonce)
        if work == .open { sealAll() }
    }

    func performBatch() throws {
        switch work {
        case .seal: sealAll()
        case .open:
            // The same frames again, so the stream starts anew: a share of 1/64 that the other side is
            // spared.
            opener = Opener(key: try Self.secretKey(key), nonce: nonce)
            try openAll()
        case .sealAndOpen:
            sealAll()
            try openAll()
        }
    }

    private static func secretKey(_ bytes: [UInt8]) throws -> SecretKey {
        try SecretKey(copying: bytes.span)
    }

    private func sealAll() {
        for index in 0..<FrameBatch.frameCount {
            unsafe sealer.seal(frame: batch.frame(index), bodyByteCount: batch.bodyByteCount)
        }
        unsafe blackHole(batch.frame(0))
    }

    private func openAll() throws {
        for index in 0..<FrameBatch.frameCount {
            let frame = unsafe UnsafeRawPointer(batch.frame(index))
            let box = unsafe RawSpan(_unsafeStart: frame, byteCount: BoxFrame.headerByteCount)
            guard case .body(let byteCount) = try opener.openHeader(box) else { continue }
            let body = unsafe frame + BoxFrame.headerByteCount
            try opener.verify(unsafe RawSpan(_unsafeStart: body, byteCount: byteCount))
            unsafe opener.open(body, byteCount: byteCount, into: batch.destination)
        }
        unsafe blackHole(batch.destination)
    }
}
