public import TypedSodium

/// The sending half of a box stream: cuts nothing, buffers nothing, seals each frame where it stands.
///
/// The caller lays every body of 1…4096 bytes behind 34 bytes of headroom; the header is written there.
public struct Sealer: ~Copyable, Sendable {
    private var cipher: BoxCipher
    private var hasEnded = false

    /// Takes the key over; the nonce is the first header's.
    public init(key: consuming SecretKey, nonce: Nonce) {
        cipher = BoxCipher(key: key, nonce: nonce, kernel: CipherChoice.kernel)
    }

    /// Seals a frame in place: 34 bytes of headroom, whatever they hold, and the plaintext body behind them.
    ///
    /// A body of 1…4096 bytes and no goodbye before it are the caller's duty.
    public mutating func seal(_ frame: inout MutableRawSpan) {
        let bodyByteCount = frame.byteCount - BoxFrame.headerByteCount
        unsafe frame.withUnsafeMutableBytes { bytes in
            guard let start = bytes.baseAddress else { preconditionFailure("a frame has its headroom") }
            unsafe seal(frame: start, bodyByteCount: bodyByteCount)
        }
    }

    /// Seals one frame among several in place: the headroom at `offset`, the plaintext body behind it.
    public mutating func seal(bodyByteCount: Int, at offset: Int, in frames: inout MutableRawSpan) {
        let end = offset + BoxFrame.headerByteCount + bodyByteCount
        precondition(offset >= 0 && end <= frames.byteCount, "a frame stands inside its buffer")
        unsafe frames.withUnsafeMutableBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            unsafe seal(frame: start + offset, bodyByteCount: bodyByteCount)
        }
    }

    /// Seals a frame in place, as ``seal(_:)`` does, where raw pointers are at hand already.
    ///
    /// - Parameters:
    ///   - frame: 34 bytes of headroom, whatever they hold, and the plaintext body behind them.
    ///   - bodyByteCount: 1…4096.
    @unsafe
    public mutating func seal(frame: UnsafeMutableRawPointer, bodyByteCount: Int) {
        precondition(!hasEnded, "nothing is sealed behind the goodbye")
        precondition(
            bodyByteCount > 0 && bodyByteCount <= BoxFrame.maximumBodyByteCount,
            "the caller cuts bodies to 1…4096 bytes")
        unsafe cipher.seal(frame: frame.assumingMemoryBound(to: UInt8.self), bodyByteCount: bodyByteCount)
    }

    /// Whether blocks of frames to come are held, up to 2 KiB.
    package var holdsKeystream: Bool { cipher.holdsKeystream }

    /// Takes note that no further frame is to be sealed at the moment, and keeps what was made for frames to come.
    package mutating func pause() { cipher.pause() }

    /// Gives back what was made for frames to come, up to 1 KiB; for when there is nothing more to seal at the moment.
    public mutating func rest() { cipher.rest() }

    /// The 34 bytes that end the stream; the key is forgotten with them.
    public mutating func goodbye() -> [UInt8] {
        precondition(!hasEnded, "there is one goodbye")
        hasEnded = true
        var box = [UInt8](repeating: 0, count: BoxFrame.headerByteCount)
        unsafe box.withUnsafeMutableBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return }
            unsafe cipher.sealGoodbye(to: start)
        }
        cipher.wipe()
        return box
    }
}
