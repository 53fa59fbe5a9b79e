internal import BoxStream
internal import CSodium
internal import TypedSodium

/// The work done as the protocol's text suggests it: one libsodium call per box.
@safe
final class OneCallFrames: Contender {
    /// A one-call box refused what it had sealed.
    struct Refusal: Error {}

    private let work: FrameWork
    private let batch: FrameBatch
    private let start: Nonce
    private let key: UnsafeMutablePointer<UInt8>
    private var sealing: NonceCounter
    private var opening: NonceCounter
    private let header: UnsafeMutablePointer<UInt8>

    /// Prepares sealed frames where only opening is measured.
    init(_ work: FrameWork, bodyByteCount: Int, key bytes: [UInt8], nonce: Nonce) throws {
        self.work = work
        start = nonce
        batch = FrameBatch(bodyByteCount: bodyByteCount)
        unsafe key = .allocate(capacity: 32)
        for (index, byte) in bytes.enumerated() { unsafe (key + index).initialize(to: byte) }
        unsafe header = .allocate(capacity: 18)
        unsafe header.initialize(repeating: 0, count: 18)
        sealing = NonceCounter(nonce)
        opening = NonceCounter(nonce)
        if work == .open { try sealAll() }
    }

    deinit {
        unsafe key.deallocate()
        unsafe header.deallocate()
    }

    func performBatch() throws {
        switch work {
        case .seal: try sealAll()
        case .open:
            opening = NonceCounter(start)
            try openAll()
        case .sealAndOpen:
            try sealAll()
            try openAll()
        }
    }

    private func sealAll() throws {
        let byteCount = batch.bodyByteCount
        for index in 0..<FrameBatch.frameCount {
            let frame = unsafe batch.frame(index).assumingMemoryBound(to: UInt8.self)
            let body = unsafe frame + BoxFrame.headerByteCount
            let (headerNonce, bodyNonce) = (sealing.next(), sealing.next())
            unsafe (header[0], header[1]) = (UInt8(byteCount >> 8), UInt8(byteCount & 0xFF))
            let bodyStatus = unsafe bodyNonce.withUnsafeBytes { nonce in
                unsafe crypto_secretbox_detached(
                    body, header + 2, body, UInt64(byteCount), nonce.start, key)
            }
            let headerStatus = unsafe headerNonce.withUnsafeBytes { nonce in
                unsafe crypto_secretbox_detached(frame + 16, frame, header, 18, nonce.start, key)
            }
            guard bodyStatus == 0, headerStatus == 0 else { throw Refusal() }
        }
        unsafe blackHole(batch.frame(0))
    }

    private func openAll() throws {
        for index in 0..<FrameBatch.frameCount {
            let frame = unsafe batch.frame(index).assumingMemoryBound(to: UInt8.self)
            let headerStatus = unsafe opening.next().withUnsafeBytes { nonce in
                unsafe crypto_secretbox_open_detached(header, frame + 16, frame, 18, nonce.start, key)
            }
            guard headerStatus == 0 else { throw Refusal() }
            let byteCount = unsafe Int(header[0]) << 8 | Int(header[1])
            let bodyStatus = unsafe opening.next().withUnsafeBytes { nonce in
                unsafe crypto_secretbox_open_detached(
                    batch.destination.assumingMemoryBound(to: UInt8.self), frame + BoxFrame.headerByteCount,
                    header + 2, UInt64(byteCount), nonce.start, key)
            }
            guard bodyStatus == 0 else { throw Refusal() }
        }
        unsafe blackHole(batch.destination)
    }
}

/// The big-endian counter, kept simple: almost always one byte changes.
private struct NonceCounter {
    private var nonce: Nonce

    init(_ nonce: Nonce) { self.nonce = nonce }

    /// The nonce that is next in line.
    mutating func next() -> Nonce {
        let current = nonce
        for index in nonce.storage.indices.reversed() {
            nonce.storage[index] &+= 1
            if nonce.storage[index] != 0 { break }
        }
        return current
    }
}

extension UnsafeRawBufferPointer {
    /// The start as libsodium wants it.
    fileprivate var start: UnsafePointer<UInt8> {
        unsafe baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
    }
}
