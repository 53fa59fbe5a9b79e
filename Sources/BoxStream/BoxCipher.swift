internal import CSodium
internal import TypedSodium

/// XSalsa20-Poly1305 over the boxes of one direction: bit for bit `crypto_secretbox`, which the tests hold it to.
///
/// In each box's keystream the first 32 bytes are the Poly1305 key, and the message takes the bytes behind.
struct BoxCipher: ~Copyable {
    /// Where things stand in the memory.
    private enum Offset {
        static var header: Int { 0 }
        static var bodyTag: Int { 2 }
        static var expectedTag: Int { 18 }
        static var end: Int { expectedTag + BoxFrame.tagByteCount }
    }

    private static var tagKeyByteCount: Int { 32 }
    /// How much of a body its first block covers, behind the tag's key.
    private static var prefixByteCount: Int { Keystream.blockByteCount - tagKeyByteCount }

    private var keystream: Keystream
    private let memory = WipedMemory(byteCount: Offset.end)

    /// The plain header: length and tag of the body.
    private var header: UnsafeMutablePointer<UInt8> { unsafe memory.start + Offset.header }

    /// Copies the key; the nonce is the first header's.
    init(key: borrowing SecretKey, nonce: Nonce, kernel: CipherKernel) {
        keystream = Keystream(key: key, nonce: nonce, kernel: kernel)
    }

    /// Forgets everything, once nothing more is to be sealed or opened.
    mutating func wipe() {
        keystream.wipe()
        memory.wipe()
    }

    /// Whether blocks of frames to come are held.
    var holdsKeystream: Bool { keystream.isAhead }

    /// Takes note that no further frame is at hand, and keeps what was made for frames to come.
    mutating func pause() { keystream.pause() }

    /// Gives back what was made for frames to come.
    mutating func rest() { keystream.rest() }

    // MARK: Sealing

    /// Seals the body behind `frame`'s 34 bytes of headroom, then writes the header there.
    @unsafe
    mutating func seal(frame: UnsafeMutablePointer<UInt8>, bodyByteCount: Int) {
        keystream.beginFrame()
        let body = unsafe frame + BoxFrame.headerByteCount
        unsafe applyBody(from: body, to: body, byteCount: bodyByteCount, dropping: 0)
        unsafe (header[0], header[1]) = (UInt8(bodyByteCount >> 8), UInt8(bodyByteCount & 0xFF))
        unsafe keystream.kernel.writeTag(header + Offset.bodyTag, body, bodyByteCount, keystream.bodyBlock)
        unsafe sealHeader(to: frame)
        keystream.endFrame()
    }

    /// Writes the goodbye, with the nonce that is next in line; nothing is sealed behind it.
    @unsafe
    mutating func sealGoodbye(to box: UnsafeMutablePointer<UInt8>) {
        keystream.beginFrame()
        unsafe header.update(repeating: 0, count: BoxFrame.plainHeaderByteCount)
        unsafe sealHeader(to: box)
        keystream.endFrame()
    }

    /// Boxes the plain header, and forgets it.
    @unsafe
    private mutating func sealHeader(to box: UnsafeMutablePointer<UInt8>) {
        let (sealed, byteCount) = unsafe (box + BoxFrame.tagByteCount, BoxFrame.plainHeaderByteCount)
        let block = unsafe keystream.headerBlock
        unsafe combine(header, with: block + Self.tagKeyByteCount, to: sealed, byteCount: byteCount)
        unsafe keystream.kernel.writeTag(box, sealed, byteCount, block)
        unsafe sodium_memzero(header, byteCount)
    }

    // MARK: Opening

    /// A genuine header: the length it announces, and whether it is all zero, the goodbye.
    typealias PlainHeader = (bodyByteCount: Int, isGoodbye: Bool)

    /// Checks and opens a header box, and keeps the body's tag.
    @unsafe
    mutating func openHeader(_ box: UnsafePointer<UInt8>) -> PlainHeader? {
        keystream.beginFrame()
        let (sealed, byteCount) = unsafe (box + BoxFrame.tagByteCount, BoxFrame.plainHeaderByteCount)
        let block = unsafe keystream.headerBlock
        guard unsafe isGenuine(box, of: sealed, byteCount: byteCount, key: block) else { return nil }
        unsafe combine(sealed, with: block + Self.tagKeyByteCount, to: header, byteCount: byteCount)
        let bodyByteCount = unsafe Int(header[0]) << 8 | Int(header[1])
        return unsafe (bodyByteCount, bodyByteCount == 0 && sodium_is_zero(header, byteCount) == 1)
    }

    /// Whether the tag in the last header authenticates a body.
    @unsafe
    func verify(_ body: UnsafePointer<UInt8>, byteCount: Int) -> Bool {
        unsafe isGenuine(
            header + Offset.bodyTag, of: body, byteCount: byteCount, key: keystream.bodyBlock)
    }

    /// Opens the first bytes of the verified body, at most 32.
    @unsafe
    func openPrefix(
        of body: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>, byteCount: Int
    ) {
        let keys = unsafe keystream.bodyBlock + Self.tagKeyByteCount
        unsafe combine(body, with: keys, to: destination, byteCount: byteCount)
    }

    /// Opens the verified body but for its first bytes, at most 32, to a place apart from it.
    @unsafe
    mutating func open(
        _ body: UnsafePointer<UInt8>, byteCount: Int, dropping droppedByteCount: Int,
        to destination: UnsafeMutablePointer<UInt8>
    ) {
        unsafe applyBody(from: body, to: destination, byteCount: byteCount, dropping: droppedByteCount)
        keystream.endFrame()
    }

    /// Opens the verified body to any place, also across itself.
    @unsafe
    mutating func open(
        _ body: UnsafePointer<UInt8>, byteCount: Int, to destination: UnsafeMutablePointer<UInt8>
    ) {
        var source = unsafe body
        let distance = unsafe (UnsafePointer(destination) - body).magnitude
        if distance > 0, distance < UInt(byteCount) {
            // A kernel works in place or apart, not across an overlap.
            unsafe destination.update(from: body, count: byteCount)
            unsafe source = UnsafePointer(destination)
        }
        unsafe open(source, byteCount: byteCount, dropping: 0, to: destination)
    }

    /// Combines a body with its keystream, but for its first bytes, at most 32.
    @unsafe
    private mutating func applyBody(
        from body: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>, byteCount: Int,
        dropping droppedByteCount: Int
    ) {
        let prefixByteCount = min(byteCount, Self.prefixByteCount)
        let keys = unsafe keystream.bodyBlock + Self.tagKeyByteCount
        unsafe combine(
            body + droppedByteCount, with: keys + droppedByteCount, to: destination,
            byteCount: prefixByteCount - droppedByteCount)
        unsafe keystream.apply(
            from: body + prefixByteCount, to: destination + prefixByteCount - droppedByteCount,
            byteCount: byteCount - prefixByteCount)
    }

    /// Compares a tag with what it has to be, in constant time.
    @unsafe
    private func isGenuine(
        _ tag: UnsafePointer<UInt8>, of message: UnsafePointer<UInt8>, byteCount: Int,
        key: UnsafePointer<UInt8>
    ) -> Bool {
        let expected = unsafe memory.start + Offset.expectedTag
        unsafe keystream.kernel.writeTag(expected, message, byteCount, key)
        defer { unsafe sodium_memzero(expected, BoxFrame.tagByteCount) }
        return unsafe crypto_verify_16(expected, tag) == 0
    }
}
