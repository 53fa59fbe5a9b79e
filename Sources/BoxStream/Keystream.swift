internal import CSodium
internal import TypedSodium

/// The XSalsa20 keystreams of one direction: one per nonce, and the nonce counts up.
///
/// Put together from libsodium's public functions: its one-call form derives the same subkey anew for every
/// nonce, and takes up to twice a group's time for the last bytes of a length that is no multiple of 512.
struct Keystream: ~Copyable {
    /// What Salsa20 makes at a time.
    static var blockByteCount: Int { 64 }

    /// What libsodium's vector code makes at a time, in the time that it takes for two single blocks.
    private static var groupByteCount: Int { 512 }

    /// Where things stand in the memory.
    ///
    /// The counter follows the nonce because `crypto_core_salsa20` takes the nonce's last eight bytes and a
    /// block number as its one input of sixteen bytes.
    private enum Offset {
        static var key: Int { 0 }
        static var subkey: Int { 32 }
        static var nonce: Int { 64 }
        static var shortNonce: Int { 80 }
        static var counter: Int { 88 }
        static var scratch: Int { 96 }
        static var end: Int { scratch + groupByteCount }
    }

    private let memory = WipedMemory(byteCount: Offset.end)
    private var start: UnsafeMutablePointer<UInt8> { unsafe memory.start }

    /// Copies the key; the nonce is the first.
    init(key: borrowing SecretKey, nonce: Nonce) {
        unsafe key.withUnsafeBytes { bytes in
            unsafe (start + Offset.key).update(from: bytes.bytePointer, count: bytes.count)
        }
        unsafe nonce.withUnsafeBytes { bytes in
            unsafe (start + Offset.nonce).update(from: bytes.bytePointer, count: bytes.count)
        }
        deriveSubkey()
    }

    /// Counts the nonce up by one, as a big-endian number that wraps.
    ///
    /// A carry out of its last eight bytes, once in 2⁶⁴ steps, changes the subkey.
    mutating func step() {
        let short = unsafe UnsafeMutableRawPointer(start + Offset.shortNonce)
        let next = unsafe UInt64(bigEndian: short.loadUnaligned(as: UInt64.self)) &+ 1
        unsafe short.storeBytes(of: next.bigEndian, as: UInt64.self)
        guard next == 0 else { return }
        for offset in (Offset.nonce..<Offset.shortNonce).reversed() {
            unsafe start[offset] &+= 1
            if unsafe start[offset] != 0 { break }
        }
        deriveSubkey()
    }

    /// Writes one block, in the time of `crypto_stream_salsa20` or, on some machines, in half of it.
    @unsafe
    mutating func writeBlock(_ number: UInt64, to block: UnsafeMutablePointer<UInt8>) {
        unsafe UnsafeMutableRawPointer(start + Offset.counter)
            .storeBytes(of: number.littleEndian, as: UInt64.self)
        expectSuccess(
            unsafe crypto_core_salsa20(block, start + Offset.shortNonce, start + Offset.subkey, nil))
    }

    /// Combines bytes with the keystream from the start of a block on; in place, or apart.
    ///
    /// Whole groups go in one call. What is left takes a single block, or one group more: in place when the bytes
    /// behind may be borrowed, which saves 1 or 2 percent, else in scratch.
    @unsafe
    mutating func apply(
        from source: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>, byteCount: Int,
        firstBlock: UInt64, slackByteCount: Int
    ) {
        let rest = byteCount % Self.groupByteCount
        let (whole, missing) = (byteCount - rest, Self.groupByteCount - rest)
        let scratch = unsafe start + Offset.scratch
        if rest > Self.blockByteCount, missing <= slackByteCount {
            unsafe scratch.update(from: destination + byteCount, count: missing)
            unsafe applyGroups(
                from: source, to: destination, byteCount: whole + rest + missing, block: firstBlock)
            unsafe (destination + byteCount).update(from: scratch, count: missing)
            unsafe sodium_memzero(scratch, missing)
            return
        }
        if whole > 0 {
            unsafe applyGroups(from: source, to: destination, byteCount: whole, block: firstBlock)
        }
        guard rest > 0 else { return }
        let block = firstBlock + UInt64(whole / Self.blockByteCount)
        if rest <= Self.blockByteCount {
            unsafe writeBlock(block, to: scratch)
            unsafe combine(source + whole, with: scratch, to: destination + whole, byteCount: rest)
            unsafe sodium_memzero(scratch, Self.blockByteCount)
        } else {
            unsafe scratch.update(from: source + whole, count: rest)
            unsafe applyGroups(from: scratch, to: scratch, byteCount: Self.groupByteCount, block: block)
            unsafe (destination + whole).update(from: scratch, count: rest)
            unsafe sodium_memzero(scratch, Self.groupByteCount)
        }
    }

    /// Forgets everything.
    mutating func wipe() { memory.wipe() }

    @unsafe
    private func applyGroups(
        from source: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>, byteCount: Int,
        block: UInt64
    ) {
        expectSuccess(
            unsafe crypto_stream_salsa20_xor_ic(
                destination, source, UInt64(byteCount), start + Offset.shortNonce, block,
                start + Offset.subkey))
    }

    private mutating func deriveSubkey() {
        expectSuccess(
            unsafe crypto_core_hsalsa20(start + Offset.subkey, start + Offset.nonce, start + Offset.key, nil))
    }
}

/// Combines bytes with keystream.
@unsafe
func combine(
    _ source: UnsafePointer<UInt8>, with keystream: UnsafePointer<UInt8>,
    to destination: UnsafeMutablePointer<UInt8>, byteCount: Int
) {
    for index in 0..<byteCount { unsafe destination[index] = source[index] ^ keystream[index] }
}

/// Sees to it that no result code goes unread, of functions that libsodium documents no failure of.
func expectSuccess(_ status: Int32) {
    precondition(status == 0, "a stream cipher or a tag over memory cannot fail")
}
