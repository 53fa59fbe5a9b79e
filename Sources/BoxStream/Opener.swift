public import TypedSodium

/// The receiving half of a box stream: the caller collects bytes, this says how many and opens them.
///
/// One round per frame: ``openHeader(_:)`` on 34 bytes, ``verify(_:)`` on the whole body, then, if wanted,
/// ``prefix(of:)``, then ``open(_:into:)``. Nothing of a body is decrypted before its tag was checked, so
/// a caller may decide by the prefix where the plaintext is to go. A throw is final. Calls out of this order
/// are the caller's bug and trap; a peer's bytes never do.
public struct Opener: ~Copyable, Sendable {
    /// What a genuine header announces.
    public enum Header: Equatable, Sendable {
        /// A body of 1…4096 bytes follows.
        case body(byteCount: Int)
        /// The stream is over; nothing follows.
        case goodbye
    }

    /// The start of a verified body.
    public struct Prefix: Sendable {
        /// The plaintext bytes, followed by zeros when the body is shorter.
        public var bytes: InlineArray<32, UInt8>
        /// How many of ``bytes`` belong to the body: 1…32.
        public var byteCount: Int
    }

    private enum State {
        case awaitingHeader
        case awaitingBody(byteCount: Int)
        case verified(byteCount: Int)
        case ended
        case failed
    }

    private var cipher: BoxCipher
    private var state = State.awaitingHeader

    /// Takes the key over; the nonce is the first header's.
    public init(key: consuming SecretKey, nonce: Nonce) {
        cipher = BoxCipher(key: key, nonce: nonce, kernel: CipherChoice.kernel)
    }

    /// How many bytes the next call is to be given, or `nil` once any further byte is an error.
    public var expectedByteCount: Int? {
        switch state {
        case .awaitingHeader: BoxFrame.headerByteCount
        case .awaitingBody(let byteCount), .verified(let byteCount): byteCount
        case .ended, .failed: nil
        }
    }

    /// Opens a header box of exactly 34 bytes.
    ///
    /// - Throws: ``BoxStreamError/forged``, ``BoxStreamError/overlength(_:)``, ``BoxStreamError/emptyBody``;
    ///   ``BoxStreamError/afterGoodbye`` for any bytes behind the goodbye, however many.
    public mutating func openHeader(_ box: RawSpan) throws(BoxStreamError) -> Header {
        switch state {
        case .awaitingHeader: break
        case .ended: throw fail(.afterGoodbye)
        case .failed: throw .failed
        case .awaitingBody, .verified: preconditionFailure("a body comes first")
        }
        precondition(box.byteCount == BoxFrame.headerByteCount, "a header box has 34 bytes")
        let opened = unsafe box.withUnsafeBytes { unsafe cipher.openHeader($0.bytePointer) }
        guard let header = opened else { throw fail(.forged) }
        if header.isGoodbye {
            state = .ended
            cipher.wipe()
            return .goodbye
        }
        guard header.bodyByteCount > 0 else { throw fail(.emptyBody) }
        guard header.bodyByteCount <= BoxFrame.maximumBodyByteCount else {
            throw fail(.overlength(header.bodyByteCount))
        }
        state = .awaitingBody(byteCount: header.bodyByteCount)
        return .body(byteCount: header.bodyByteCount)
    }

    /// Checks the tag of a whole body, of the length its header announced, and decrypts nothing.
    ///
    /// - Throws: ``BoxStreamError/forged``.
    public mutating func verify(_ body: RawSpan) throws(BoxStreamError) {
        let isGenuine: Bool
        switch state {
        case .awaitingBody(let byteCount):
            precondition(body.byteCount == byteCount, "a body has the length its header announced")
            isGenuine = unsafe body.withUnsafeBytes {
                unsafe cipher.verify($0.bytePointer, byteCount: byteCount)
            }
        case .failed: throw .failed
        case .awaitingHeader, .verified, .ended: preconditionFailure("a header comes first")
        }
        guard isGenuine else { throw fail(.forged) }
        state = .verified(byteCount: body.byteCount)
    }

    /// The first plaintext bytes of the verified body, for free: their keystream came with the tag's key.
    public func prefix(of body: RawSpan) -> Prefix {
        requireVerified(body.byteCount)
        var prefix = Prefix(bytes: InlineArray(repeating: 0), byteCount: min(body.byteCount, 32))
        var span = prefix.bytes.mutableSpan
        unsafe span.withUnsafeMutableBytes { output in
            unsafe body.withUnsafeBytes { input in
                unsafe cipher.openPrefix(
                    of: input.bytePointer, to: output.bytePointer, byteCount: prefix.byteCount)
            }
        }
        return prefix
    }

    /// Appends the plaintext of the verified body, the same bytes that were given to ``verify(_:)``.
    ///
    /// `output` has room for them; they come out as many as went in.
    public mutating func open(_ body: RawSpan, into output: inout OutputRawSpan) {
        precondition(output.freeCapacity >= body.byteCount, "the caller makes room for the body")
        unsafe output.withUnsafeMutableBytes { buffer, initializedCount in
            unsafe body.withUnsafeBytes { input in
                guard let source = input.baseAddress, let start = buffer.baseAddress else { return }
                unsafe open(source, byteCount: input.count, into: start + initializedCount)
            }
            initializedCount += body.byteCount
        }
    }

    /// Appends the plaintext of the verified body but for its first bytes, at most 32, which the prefix has told.
    public mutating func open(
        _ body: RawSpan, dropping droppedByteCount: Int, into output: inout OutputRawSpan
    ) {
        requireVerified(body.byteCount)
        precondition(
            droppedByteCount >= 0 && droppedByteCount <= min(32, body.byteCount), "only the prefix is dropped"
        )
        let openedByteCount = body.byteCount - droppedByteCount
        precondition(output.freeCapacity >= openedByteCount, "the caller makes room for the body")
        unsafe output.withUnsafeMutableBytes { buffer, initializedCount in
            unsafe body.withUnsafeBytes { input in
                guard let start = buffer.baseAddress else { return }
                unsafe cipher.open(
                    input.bytePointer, byteCount: input.count, dropping: droppedByteCount,
                    to: (start + initializedCount).assumingMemoryBound(to: UInt8.self))
            }
            initializedCount += openedByteCount
        }
        state = .awaitingHeader
    }

    /// Opens the verified body, as ``open(_:into:)`` does, where raw pointers are at hand already.
    ///
    /// - Parameters:
    ///   - body: the ciphertext, the same that was verified.
    ///   - byteCount: its length.
    ///   - destination: as many bytes; in place, apart or across the ciphertext.
    @unsafe
    public mutating func open(
        _ body: UnsafeRawPointer, byteCount: Int, into destination: UnsafeMutableRawPointer
    ) {
        requireVerified(byteCount)
        unsafe cipher.open(
            body.assumingMemoryBound(to: UInt8.self), byteCount: byteCount,
            to: destination.assumingMemoryBound(to: UInt8.self))
        state = .awaitingHeader
    }

    /// Whether blocks of frames to come are held, up to 2 KiB.
    package var holdsKeystream: Bool { cipher.holdsKeystream }

    /// Takes note that no more input is at hand at the moment, and keeps what was made for frames to come.
    package mutating func pause() { cipher.pause() }

    /// Gives back what was made for frames to come, up to 1 KiB; for when no more input is at hand, also within a frame.
    public mutating func rest() { cipher.rest() }

    /// Takes note that the input has ended.
    ///
    /// - Throws: ``BoxStreamError/truncated`` unless the goodbye was received.
    public mutating func finish() throws(BoxStreamError) {
        switch state {
        case .ended: return
        case .failed: throw .failed
        case .awaitingHeader, .awaitingBody, .verified: throw fail(.truncated)
        }
    }

    private func requireVerified(_ byteCount: Int) {
        guard case .verified(byteCount) = state else {
            preconditionFailure("only the body that was verified is opened")
        }
    }

    /// Ends the stream for good, and forgets the key.
    private mutating func fail(_ error: BoxStreamError) -> BoxStreamError {
        state = .failed
        cipher.wipe()
        return error
    }
}
