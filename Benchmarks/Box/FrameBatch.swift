internal import BoxStream
internal import TypedSodium

/// Frames that stand one behind the other, as they do in a buffer that is about to be sent.
@safe
final class FrameBatch {
    /// At 4096 bytes this is 264 KB: second-level cache, where a buffer just read from a socket stands.
    static let frameCount = 64

    /// The length of every body.
    let bodyByteCount: Int
    private let frames: UnsafeMutableRawBufferPointer
    private let opened: UnsafeMutableRawBufferPointer

    init(bodyByteCount: Int) {
        self.bodyByteCount = bodyByteCount
        let frameByteCount = BoxFrame.headerByteCount + bodyByteCount
        unsafe frames = .allocate(byteCount: Self.frameCount * frameByteCount, alignment: 64)
        unsafe frames.copyBytes(from: Random.bytes(frames.count))
        unsafe opened = .allocate(byteCount: bodyByteCount, alignment: 64)
        unsafe opened.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit {
        unsafe frames.deallocate()
        unsafe opened.deallocate()
    }

    /// Where frame `index` stands, headroom first.
    @unsafe
    func frame(_ index: Int) -> UnsafeMutableRawPointer {
        unsafe frames.baseAddress.unsafelyUnwrapped + index * (BoxFrame.headerByteCount + bodyByteCount)
    }

    /// Where a body is opened to.
    @unsafe
    var destination: UnsafeMutableRawPointer { unsafe opened.baseAddress.unsafelyUnwrapped }
}
