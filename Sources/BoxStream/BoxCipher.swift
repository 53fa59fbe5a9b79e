internal import CSodium
internal import TypedSodium

/// XSalsa20-Poly1305 over the boxes of one direction: bit for bit `crypto_secretbox`, which the tests hold it to.
///
/// In each box's keystream the first 32 bytes are the Poly1305 key, and the message takes the bytes behind.
struct BoxCipher: ~Copyable {
    /// Where things stand in the memory.
    private enum Offset {
        static var header: Int { 0 }
        static var tag: Int { 2 }
        static var headerBlock: Int { 32 }
        static var bodyBlock: Int { 96 }
        static var end: Int { 160 }
    }

    private static var tagKeyByteCount: Int { 32 }

    private var keystream: Keystream
    private let memory = WipedMemory(byteCount: Offset.end)

    /// The plain header: length and tag of the body.
    private var header: UnsafeMutablePointer<UInt8> { unsafe memory.start + Offset.header }
    /// The first block of a header's keystream; a header needs no more.
    private var headerBlock: UnsafeMutablePointer<UInt8> { unsafe memory.start + Offset.headerBlock }
    /// The first block of a body's keystream, between ``verify(_:byteCount:)`` and ``open(_:byteCount:to:)``.
    private var bodyBlock: UnsafeMutablePointer<UInt8> { unsafe memory.start + Offset.bodyBlock }

    /// Copies the key; the nonce is the first header's.
    init(key: borrowing SecretKey, nonce: Nonce) { keystream = Keystream(key: key, nonce: nonce) }

    /// Forgets everything, once nothing more is to be sealed or opened.
    mutating func wipe() {
        keystream.wipe()
        memory.wipe()
    }

    // MARK: Sealing

    /// Seals the body behind `frame`'s 34 bytes of headroom, then writes the header there; takes two nonces.
    @unsafe
    mutating func seal(frame: UnsafeMutablePointer<UInt8>, bodyByteCount: Int, slackByteCount: Int) {
        unsafe keystream.writeBlock(0, to: headerBlock)
        keystream.step()

        // The Poly1305 key is written over zeros in front of the body, so that it comes out of the same pass;
        // the header covers it afterwards.
        let body = unsafe frame + BoxFrame.headerByteCount
        let tagKey = unsafe body - Self.tagKeyByteCount
        unsafe tagKey.update(repeating: 0, count: Self.tagKeyByteCount)
        unsafe keystream.apply(
            from: tagKey, to: tagKey, byteCount: Self.tagKeyByteCount + bodyByteCount, firstBlock: 0,
            slackByteCount: slackByteCount)
        keystream.step()

        unsafe (header[0], header[1]) = (UInt8(bodyByteCount >> 8), UInt8(bodyByteCount & 0xFF))
        expectSuccess(unsafe crypto_onetimeauth(header + Offset.tag, body, UInt64(bodyByteCount), tagKey))
        unsafe sealHeader(to: frame)
    }

    /// Writes the goodbye, with the nonce that is next in line.
    @unsafe
    mutating func sealGoodbye(to box: UnsafeMutablePointer<UInt8>) {
        unsafe keystream.writeBlock(0, to: headerBlock)
        keystream.step()
        unsafe header.update(repeating: 0, count: BoxFrame.plainHeaderByteCount)
        unsafe sealHeader(to: box)
    }

    /// Boxes the plain header with the block that was made for it, and wipes both.
    @unsafe
    private mutating func sealHeader(to box: UnsafeMutablePointer<UInt8>) {
        let (sealed, byteCount) = unsafe (box + BoxFrame.tagByteCount, BoxFrame.plainHeaderByteCount)
        unsafe combine(header, with: headerBlock + Self.tagKeyByteCount, to: sealed, byteCount: byteCount)
        expectSuccess(unsafe crypto_onetimeauth(box, sealed, UInt64(byteCount), headerBlock))
        unsafe sodium_memzero(header, Offset.bodyBlock - Offset.header)
    }

    // MARK: Opening

    /// A genuine header: the length it announces, and whether it is all zero, the goodbye.
    typealias PlainHeader = (bodyByteCount: Int, isGoodbye: Bool)

    /// Checks and opens a header box, and keeps the body's tag; takes a nonce, also for a forgery.
    @unsafe
    mutating func openHeader(_ box: UnsafePointer<UInt8>) -> PlainHeader? {
        unsafe keystream.writeBlock(0, to: headerBlock)
        keystream.step()
        defer { unsafe sodium_memzero(headerBlock, Keystream.blockByteCount) }

        let (sealed, byteCount) = unsafe (box + BoxFrame.tagByteCount, BoxFrame.plainHeaderByteCount)
        let isGenuine = unsafe crypto_onetimeauth_verify(box, sealed, UInt64(byteCount), headerBlock) == 0
        guard isGenuine else { return nil }
        unsafe combine(sealed, with: headerBlock + Self.tagKeyByteCount, to: header, byteCount: byteCount)
        let bodyByteCount = unsafe Int(header[0]) << 8 | Int(header[1])
        return unsafe (bodyByteCount, bodyByteCount == 0 && sodium_is_zero(header, byteCount) == 1)
    }

    /// Whether the tag in the last header authenticates a body; keeps the body's first block.
    @unsafe
    mutating func verify(_ body: UnsafePointer<UInt8>, byteCount: Int) -> Bool {
        unsafe keystream.writeBlock(0, to: bodyBlock)
        let tag = unsafe header + Offset.tag
        let isGenuine = unsafe crypto_onetimeauth_verify(tag, body, UInt64(byteCount), bodyBlock) == 0
        unsafe sodium_memzero(bodyBlock, Self.tagKeyByteCount)
        return isGenuine
    }

    /// Opens the first bytes of the verified body, at most 32, with what is left of its first block.
    @unsafe
    func openPrefix(
        of body: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>, byteCount: Int
    ) {
        unsafe combine(body, with: bodyBlock + Self.tagKeyByteCount, to: destination, byteCount: byteCount)
    }

    /// Opens the verified body but for its first bytes, at most 32, to a place apart from it; takes a nonce.
    @unsafe
    mutating func open(
        _ body: UnsafePointer<UInt8>, byteCount: Int, dropping droppedByteCount: Int,
        to destination: UnsafeMutablePointer<UInt8>
    ) {
        let prefixByteCount = min(byteCount, Keystream.blockByteCount - Self.tagKeyByteCount)
        unsafe combine(
            body + droppedByteCount, with: bodyBlock + Self.tagKeyByteCount + droppedByteCount,
            to: destination, byteCount: prefixByteCount - droppedByteCount)
        unsafe sodium_memzero(bodyBlock, Keystream.blockByteCount)
        unsafe keystream.apply(
            from: body + prefixByteCount, to: destination + prefixByteCount - droppedByteCount,
            byteCount: byteCount - prefixByteCount, firstBlock: 1, slackByteCount: 0)
        keystream.step()
    }

    /// Opens the verified body to any place, also across itself; takes a nonce.
    @unsafe
    mutating func open(
        _ body: UnsafePointer<UInt8>, byteCount: Int, to destination: UnsafeMutablePointer<UInt8>
    ) {
        var source = unsafe body
        let distance = unsafe (UnsafePointer(destination) - body).magnitude
        if distance > 0, distance < UInt(byteCount) {
            // libsodium works in place or apart, not across an overlap.
            unsafe destination.update(from: body, count: byteCount)
            unsafe source = UnsafePointer(destination)
        }
        unsafe open(source, byteCount: byteCount, dropping: 0, to: destination)
    }
}
