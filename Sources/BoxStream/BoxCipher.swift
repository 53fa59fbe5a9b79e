internal import CSodium
internal import Sodium

/// XSalsa20-Poly1305 over the boxes of one direction, with the work that neighbouring boxes share done once.
///
/// Bit for bit `crypto_secretbox`, put together from libsodium's public functions, because its one-call form
/// derives the same subkey for every box and takes its slow single-block path twice for every header. What is
/// done instead, and what it gains: `performance.md`, section 1; the equality is a test.
///
/// Key, nonce and scratch stand in one block of the heap, so that moving the value leaves no copy of a secret
/// behind, and are wiped with it. libsodium was set up by the ``SecretKey`` that had to be made first.
@safe
struct BoxCipher: ~Copyable, @unchecked Sendable {
    // Safety: the block has one owner, which cannot be copied; only `mutating` calls write to it.
    private let memory: UnsafeMutablePointer<UInt8>

    /// Where things stand in the block.
    ///
    /// The counter follows the nonce because `crypto_core_salsa20` takes the nonce's last eight bytes and a
    /// block number as its one input of sixteen bytes.
    private enum Offset {
        static let key = 0
        static let subkey = 32
        static let nonce = 64
        static let shortNonce = 80
        static let counter = 88
        static let header = 96
        static let headerKeystream = 128
        static let keystream = 192
        static let group = 256
        static let end = group + Stream.groupByteCount
    }

    private enum Stream {
        static let blockByteCount = 64
        /// What libsodium's vector code does at a time; every other length takes a slower way.
        static let groupByteCount = 512
        /// Up to here single blocks are cheaper than one more group.
        static let blockwiseLimit = 128
        /// A box's first keystream bytes are its Poly1305 key; the message follows.
        static let keyByteCount = 32
    }

    init(key: borrowing SecretKey, nonce: Nonce) {
        unsafe memory = .allocate(capacity: Offset.end)
        unsafe memory.initialize(repeating: 0, count: Offset.end)
        unsafe key.withUnsafeBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(start: memory + Offset.key, count: 32).copyMemory(
                from: bytes)
        }
        unsafe nonce.withUnsafeBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(start: memory + Offset.nonce, count: 24).copyMemory(
                from: bytes)
        }
        deriveSubkey()
    }

    deinit {
        wipe()
        unsafe memory.deallocate()
    }

    /// Forgets everything, once nothing more is to be sealed or opened.
    func wipe() { unsafe sodium_memzero(memory, Offset.end) }
}

// MARK: - Sealing

extension BoxCipher {
    /// Seals the body behind `frame`'s 34 bytes of headroom, then writes the header there; takes two nonces.
    @unsafe
    mutating func seal(frame: UnsafeMutablePointer<UInt8>, bodyByteCount: Int, slackByteCount: Int) {
        unsafe makeBlock(0, at: memory + Offset.headerKeystream)
        stepNonce()

        // The keystream's first 32 bytes are the Poly1305 key: written over zeros in front of the body, they
        // come out of the same pass, and the header covers them afterwards.
        let stream = unsafe frame + (BoxFrame.headerByteCount - Stream.keyByteCount)
        unsafe stream.update(repeating: 0, count: Stream.keyByteCount)
        unsafe applyKeystream(
            from: stream, to: stream, byteCount: Stream.keyByteCount + bodyByteCount, firstBlock: 0,
            slackByteCount: slackByteCount)

        let header = unsafe memory + Offset.header
        unsafe (header[0], header[1]) = (UInt8(bodyByteCount >> 8), UInt8(bodyByteCount & 0xFF))
        expectSuccess(
            unsafe crypto_onetimeauth(
                header + 2, frame + BoxFrame.headerByteCount, UInt64(bodyByteCount), stream))
        stepNonce()
        unsafe sealHeader(to: frame)
    }

    /// Writes the goodbye, with the nonce that is next in line.
    @unsafe
    mutating func sealGoodbye(to box: UnsafeMutablePointer<UInt8>) {
        unsafe makeBlock(0, at: memory + Offset.headerKeystream)
        stepNonce()
        unsafe (memory + Offset.header).update(repeating: 0, count: BoxFrame.plainHeaderByteCount)
        unsafe sealHeader(to: box)
    }

    /// Boxes the plain header with the keystream that was made for it, and wipes both.
    @unsafe
    private func sealHeader(to box: UnsafeMutablePointer<UInt8>) {
        let sealed = unsafe box + BoxFrame.tagByteCount
        let (plain, keystream) = unsafe (memory + Offset.header, memory + Offset.headerKeystream)
        unsafe combine(
            plain, with: keystream + Stream.keyByteCount, to: sealed, byteCount: BoxFrame.plainHeaderByteCount
        )
        expectSuccess(
            unsafe crypto_onetimeauth(box, sealed, UInt64(BoxFrame.plainHeaderByteCount), keystream))
        unsafe sodium_memzero(plain, Offset.keystream - Offset.header)
    }
}

// MARK: - Opening

extension BoxCipher {
    /// A header box that was genuine: the length it announces, and whether it is all zero, the goodbye.
    typealias PlainHeader = (bodyByteCount: Int, isGoodbye: Bool)

    /// Checks and opens a header box, and keeps the body's tag; takes a nonce, also for a forgery.
    @unsafe
    mutating func openHeader(_ box: UnsafePointer<UInt8>) -> PlainHeader? {
        let (header, keystream) = unsafe (memory + Offset.header, memory + Offset.headerKeystream)
        unsafe makeBlock(0, at: keystream)
        stepNonce()
        defer { unsafe sodium_memzero(keystream, Stream.blockByteCount) }

        let (sealed, byteCount) = unsafe (box + BoxFrame.tagByteCount, BoxFrame.plainHeaderByteCount)
        let isGenuine = unsafe crypto_onetimeauth_verify(box, sealed, UInt64(byteCount), keystream) == 0
        guard isGenuine else { return nil }
        unsafe combine(sealed, with: keystream + Stream.keyByteCount, to: header, byteCount: byteCount)
        return unsafe (Int(header[0]) << 8 | Int(header[1]), sodium_is_zero(header, byteCount) == 1)
    }

    /// Whether the tag of the header before authenticates a body; keeps its first keystream block.
    @unsafe
    mutating func verify(_ body: UnsafePointer<UInt8>, byteCount: Int) -> Bool {
        let (tag, keystream) = unsafe (memory + Offset.header + 2, memory + Offset.keystream)
        unsafe makeBlock(0, at: keystream)
        let isGenuine = unsafe crypto_onetimeauth_verify(tag, body, UInt64(byteCount), keystream) == 0
        unsafe sodium_memzero(keystream, Stream.keyByteCount)
        return isGenuine
    }

    /// Opens the first bytes of the verified body, at most 32, with what is left of its first block.
    @unsafe
    func openPrefix(
        of body: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>, byteCount: Int
    ) {
        unsafe combine(
            body, with: memory + Offset.keystream + Stream.keyByteCount, to: destination,
            byteCount: byteCount)
    }

    /// Opens the verified body, which may stand anywhere, also across its destination; takes a nonce.
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

        let prefixByteCount = min(byteCount, Stream.keyByteCount)
        unsafe openPrefix(of: source, to: destination, byteCount: prefixByteCount)
        unsafe sodium_memzero(memory + Offset.keystream, Stream.blockByteCount)
        unsafe applyKeystream(
            from: source + prefixByteCount, to: destination + prefixByteCount,
            byteCount: byteCount - prefixByteCount, firstBlock: 1, slackByteCount: 0)
        stepNonce()
    }
}

extension BoxCipher {
    /// Opens the verified body but for its first bytes, at most 32, to a place apart from it; takes a nonce.
    @unsafe
    mutating func open(
        _ body: UnsafePointer<UInt8>, byteCount: Int, dropping droppedByteCount: Int,
        to destination: UnsafeMutablePointer<UInt8>
    ) {
        let prefixByteCount = min(byteCount, Stream.keyByteCount)
        unsafe combine(
            body + droppedByteCount,
            with: memory + Offset.keystream + Stream.keyByteCount + droppedByteCount,
            to: destination, byteCount: prefixByteCount - droppedByteCount)
        unsafe sodium_memzero(memory + Offset.keystream, Stream.blockByteCount)
        unsafe applyKeystream(
            from: body + prefixByteCount, to: destination + prefixByteCount - droppedByteCount,
            byteCount: byteCount - prefixByteCount, firstBlock: 1, slackByteCount: 0)
        stepNonce()
    }
}

// MARK: - Keystream and nonce

extension BoxCipher {
    /// Combines bytes with the keystream from the start of a block on, in whole groups as far as they go.
    ///
    /// The rest takes one group more: in place when the bytes behind it may be borrowed, else in scratch.
    @unsafe
    private func applyKeystream(
        from source: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>, byteCount: Int,
        firstBlock: UInt64, slackByteCount: Int
    ) {
        let rest = byteCount % Stream.groupByteCount
        let whole = byteCount - rest
        let (group, missing) = unsafe (memory + Offset.group, Stream.groupByteCount - rest)
        if rest > Stream.blockwiseLimit, missing <= slackByteCount {
            unsafe group.update(from: destination + byteCount, count: missing)
            unsafe applyGroups(
                from: source, to: destination, byteCount: byteCount + missing, block: firstBlock)
            unsafe (destination + byteCount).update(from: group, count: missing)
            return
        }
        if whole > 0 {
            unsafe applyGroups(from: source, to: destination, byteCount: whole, block: firstBlock)
        }
        guard rest > 0 else { return }
        let block = firstBlock + UInt64(whole / Stream.blockByteCount)
        if rest <= Stream.blockwiseLimit {
            unsafe applyBlocks(from: source + whole, to: destination + whole, byteCount: rest, block: block)
        } else {
            unsafe group.update(from: source + whole, count: rest)
            unsafe applyGroups(from: group, to: group, byteCount: Stream.groupByteCount, block: block)
            unsafe (destination + whole).update(from: group, count: rest)
            unsafe sodium_memzero(group, Stream.groupByteCount)
        }
    }

    @unsafe
    private func applyGroups(
        from source: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>, byteCount: Int,
        block: UInt64
    ) {
        expectSuccess(
            unsafe crypto_stream_salsa20_xor_ic(
                destination, source, UInt64(byteCount), memory + Offset.shortNonce, block,
                memory + Offset.subkey))
    }

    @unsafe
    private func applyBlocks(
        from source: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>, byteCount: Int,
        block: UInt64
    ) {
        let keystream = unsafe memory + Offset.keystream
        for start in stride(from: 0, to: byteCount, by: Stream.blockByteCount) {
            unsafe makeBlock(block + UInt64(start / Stream.blockByteCount), at: keystream)
            unsafe combine(
                source + start, with: keystream, to: destination + start,
                byteCount: min(byteCount - start, Stream.blockByteCount))
        }
        unsafe sodium_memzero(keystream, Stream.blockByteCount)
    }

    /// One block of keystream; a sixth of what `crypto_stream_salsa20` takes for it.
    @unsafe
    private func makeBlock(_ number: UInt64, at keystream: UnsafeMutablePointer<UInt8>) {
        unsafe UnsafeMutableRawPointer(memory + Offset.counter)
            .storeBytes(of: number.littleEndian, as: UInt64.self)
        expectSuccess(
            unsafe crypto_core_salsa20(keystream, memory + Offset.shortNonce, memory + Offset.subkey, nil))
    }

    @unsafe
    func combine(
        _ source: UnsafePointer<UInt8>, with keystream: UnsafePointer<UInt8>,
        to destination: UnsafeMutablePointer<UInt8>, byteCount: Int
    ) {
        for index in 0..<byteCount { unsafe destination[index] = source[index] ^ keystream[index] }
    }

    /// Counts the nonce up by one.
    ///
    /// A carry out of its last eight bytes, once in 2⁶⁴ boxes, changes the subkey.
    mutating func stepNonce() {
        let short = unsafe UnsafeMutableRawPointer(memory + Offset.shortNonce)
        let next = unsafe UInt64(bigEndian: short.loadUnaligned(as: UInt64.self)) &+ 1
        unsafe short.storeBytes(of: next.bigEndian, as: UInt64.self)
        guard next == 0 else { return }
        for offset in (Offset.nonce..<Offset.shortNonce).reversed() {
            unsafe memory[offset] &+= 1
            if unsafe memory[offset] != 0 { break }
        }
        deriveSubkey()
    }

    private func deriveSubkey() {
        expectSuccess(
            unsafe crypto_core_hsalsa20(
                memory + Offset.subkey, memory + Offset.nonce, memory + Offset.key, nil))
    }

    /// libsodium's functions used here report no failure; a result that says otherwise must not go unseen.
    private func expectSuccess(_ status: Int32) {
        precondition(status == 0, "a stream cipher or a tag over memory cannot fail")
    }
}
