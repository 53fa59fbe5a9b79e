internal import CSodium
internal import TypedSodium

/// The XSalsa20 keystreams of one direction's frames: two nonces each, the header's and the body's, counting up.
///
/// Of both nonces the first block is wanted alone and before all else, and a kernel makes sixteen single blocks in
/// the time of one or two. So once a second frame follows a first without ``rest()`` or ``pause()`` between them, the
/// blocks of the next frames are made with its own.
@safe
struct Keystream: ~Copyable, @unchecked Sendable {
    // Safety: `frame` leads into `memory` or `ahead`, which have this one owner.

    /// What Salsa20 makes at a time, in bytes.
    static var blockByteCount: Int { 64 }

    /// Where things stand in the memory, in bytes.
    private enum Offset {
        static var key: Int { 0 }
        /// The sixteen words that kernels start from; the key among them is the subkey of ``longNonce``.
        static var state: Int { 32 }
        /// The nonce's first 16 bytes, which change once in 2⁶⁴ boxes.
        static var longNonce: Int { 96 }
        static var lanes: Int { 112 }
        static var frame: Int { lanes + 3 * CipherKernel.laneCount * MemoryLayout<UInt32>.stride }
        static var end: Int { frame + longFrameBlockCount * blockByteCount }
    }

    /// `expand 32-byte k`, four bytes each.
    static var constants: (UInt32, UInt32, UInt32, UInt32) {
        (0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574)
    }

    /// A frame's blocks: its header's first, its body's first and, where bodies are short, its body's second.
    private static var longFrameBlockCount: Int { 3 }
    /// What the body's first two blocks cover, behind the 32 bytes that are its tag's key.
    private static var shortBodyByteCount: Int { 2 * blockByteCount - 32 }

    let kernel: CipherKernel
    private let memory = WipedMemory(byteCount: Offset.end)
    /// The present frame's first nonce, or the next frame's: its last eight bytes, as a number.
    private var nonce: UInt64

    /// The blocks of the present frame.
    private var frame: UnsafeMutablePointer<UInt8>
    private var frameBlockCount = 0

    /// Blocks of frames to come, and which of those are left.
    private var ahead: WipedMemory?
    private var framesAhead = 0..<0
    private var aheadBlockCount = 0
    /// Blocks 1…8 of two bodies, made where a kernel makes sixteen in the time of eight, and which body's nonce the
    /// second half is for.
    private var pair: WipedMemory?
    private var pairedNonce: UInt64?
    private var isResting = true
    private var lastBodyWasShort = true

    /// Copies the key; the nonce is the first header's.
    init(key: borrowing SecretKey, nonce: Nonce, kernel: CipherKernel) {
        self.kernel = kernel
        self.nonce = unsafe nonce.withUnsafeBytes { bytes in
            unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        }
        unsafe frame = memory.start + Offset.frame
        unsafe key.withUnsafeBytes { bytes in
            unsafe (memory.start + Offset.key).update(from: bytes.bytePointer, count: bytes.count)
        }
        unsafe nonce.withUnsafeBytes { bytes in
            unsafe (memory.start + Offset.longNonce).update(from: bytes.bytePointer, count: 16)
        }
        deriveSubkey()
    }

    // MARK: Frames

    /// The first block of the present header's keystream.
    var headerBlock: UnsafeMutablePointer<UInt8> { unsafe frame }
    /// The first block of the present body's keystream.
    var bodyBlock: UnsafeMutablePointer<UInt8> { unsafe frame + Self.blockByteCount }

    /// Makes the blocks of the frame that is next in line the present ones.
    mutating func beginFrame() {
        if let next = framesAhead.popFirst(), let blocks = unsafe ahead?.start {
            unsafe frame = blocks + next * aheadBlockCount * Self.blockByteCount
            frameBlockCount = aheadBlockCount
            return
        }
        unsafe frame = memory.start + Offset.frame
        frameBlockCount = Self.longFrameBlockCount
        // Both nonces of a frame, and all that are made at once, have to share their first 16 bytes.
        let framesBeforeCarry = (UInt64.max - nonce) / 2 + (UInt64.max - nonce) % 2
        guard framesBeforeCarry > 0 else { return beginCarryingFrame() }
        guard !isResting else {
            isResting = false
            unsafe writeBlocks(frames: 1, blocksEach: frameBlockCount, to: frame)
            return
        }
        aheadBlockCount = lastBodyWasShort ? Self.longFrameBlockCount : Self.longFrameBlockCount - 1
        let fitting = CipherKernel.laneCount / aheadBlockCount
        let count = Int(min(framesBeforeCarry, UInt64(fitting)))
        if ahead == nil {
            ahead = WipedMemory(byteCount: CipherKernel.laneCount * Self.blockByteCount)
        }
        guard let blocks = unsafe ahead?.start else { return }
        unsafe writeBlocks(frames: count, blocksEach: aheadBlockCount, to: blocks)
        unsafe frame = blocks
        frameBlockCount = aheadBlockCount
        framesAhead = 1..<count
    }

    /// Combines what follows the body's first 32 bytes with the keystream; in place, or apart.
    @unsafe
    mutating func apply(
        from source: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>, byteCount: Int
    ) {
        lastBodyWasShort = byteCount <= Self.shortBodyByteCount - 32
        var done = 0
        if frameBlockCount == Self.longFrameBlockCount {
            done = min(byteCount, Self.blockByteCount)
            let second = unsafe bodyBlock + Self.blockByteCount
            unsafe combine(source, with: second, to: destination, byteCount: done)
        }
        guard byteCount > done else { return }
        let first = done == 0 ? 1 : 2
        if unsafe applyPair(
            from: source + done, to: destination + done, byteCount: byteCount - done, firstBlock: first)
        {
            return
        }
        setState(nonce: nonce &+ 1, block: UInt32(first))
        unsafe kernel.combine(state, destination + done, source + done, byteCount - done)
    }

    /// Combines a body of a few blocks, in a burst of frames, and makes the next body's blocks with its own; whether it was
    /// one.
    @unsafe
    private mutating func applyPair(
        from source: UnsafePointer<UInt8>, to destination: UnsafeMutablePointer<UInt8>, byteCount: Int,
        firstBlock: Int
    ) -> Bool {
        let half = CipherKernel.laneCount / 2
        let skipped = (firstBlock - 1) * Self.blockByteCount
        // A carry between the two nonces would need another subkey.
        guard kernel.width == CipherKernel.laneCount, ahead != nil, nonce < UInt64.max - 3,
            byteCount > Self.blockByteCount, skipped + byteCount <= half * Self.blockByteCount
        else { return false }
        if pair == nil { pair = WipedMemory(byteCount: CipherKernel.laneCount * Self.blockByteCount) }
        guard var blocks = unsafe pair?.start else { return false }
        if pairedNonce == nonce + 1 {
            unsafe blocks += half * Self.blockByteCount
            pairedNonce = nil
        } else {
            for lane in 0..<CipherKernel.laneCount {
                let isSecond = lane >= half
                setLane(lane, nonce: nonce + (isSecond ? 3 : 1), block: UInt32(1 + lane % half))
            }
            unsafe kernel.writeBlocks(state, lanes, blocks, CipherKernel.laneCount)
            pairedNonce = nonce + 3
        }
        unsafe combine(source, with: blocks + skipped, to: destination, byteCount: byteCount)
        unsafe sodium_memzero(blocks, half * Self.blockByteCount)
        return true
    }

    /// Forgets the present frame's blocks, and goes on to the next one's nonces.
    mutating func endFrame() {
        unsafe sodium_memzero(frame, frameBlockCount * Self.blockByteCount)
        frameBlockCount = 0
        nonce &+= 2
        if nonce == 0 { carry() }
    }

    /// Whether blocks of frames to come are held.
    var isAhead: Bool { ahead != nil }

    /// Keeps what was made ahead though no further frame is at hand; where there is none, a single frame makes none.
    mutating func pause() {
        if ahead == nil { isResting = true }
    }

    /// Gives back what was made ahead; for when no further frame is at hand, between frames or within one.
    mutating func rest() {
        isResting = true
        guard ahead != nil else { return }
        let own = unsafe memory.start + Offset.frame
        if frameBlockCount > 0, unsafe frame != own {
            unsafe own.update(from: frame, count: frameBlockCount * Self.blockByteCount)
        }
        unsafe frame = own
        framesAhead = 0..<0
        ahead = nil
        pair = nil
        pairedNonce = nil
    }

    /// Forgets everything.
    mutating func wipe() {
        rest()
        memory.wipe()
    }

    // MARK: Blocks

    private var state: UnsafeMutablePointer<UInt32> {
        unsafe UnsafeMutableRawPointer(memory.start + Offset.state).assumingMemoryBound(to: UInt32.self)
    }

    private var lanes: UnsafeMutablePointer<UInt32> {
        unsafe UnsafeMutableRawPointer(memory.start + Offset.lanes).assumingMemoryBound(to: UInt32.self)
    }

    /// The frame whose header has the last nonce of one subkey and whose body has the first of the next.
    private mutating func beginCarryingFrame() {
        setLane(0, nonce: nonce, block: 0)
        unsafe kernel.writeBlocks(state, lanes, headerBlock, 1)
        carry()
        for block in 0..<2 { setLane(block, nonce: 0, block: UInt32(block)) }
        unsafe kernel.writeBlocks(state, lanes, bodyBlock, 2)
    }

    @unsafe
    private func writeBlocks(
        frames: Int, blocksEach: Int, to blocks: UnsafeMutablePointer<UInt8>
    ) {
        for index in 0..<frames {
            let first = nonce + 2 * UInt64(index)
            setLane(index * blocksEach, nonce: first, block: 0)
            for block in 1..<blocksEach {
                setLane(index * blocksEach + block, nonce: first + 1, block: UInt32(block - 1))
            }
        }
        unsafe kernel.writeBlocks(state, lanes, blocks, frames * blocksEach)
    }

    private func setLane(_ lane: Int, nonce: UInt64, block: UInt32) {
        let (start, end) = Self.words(of: nonce)
        unsafe lanes[lane] = start
        unsafe lanes[CipherKernel.laneCount + lane] = end
        unsafe lanes[2 * CipherKernel.laneCount + lane] = block
    }

    private func setState(nonce: UInt64, block: UInt32) {
        unsafe (state[6], state[7]) = Self.words(of: nonce)
        unsafe (state[8], state[9]) = (block, 0)
    }

    /// The words that a nonce's eight bytes are, read as Salsa20 reads them.
    private static func words(of nonce: UInt64) -> (UInt32, UInt32) {
        (UInt32(truncatingIfNeeded: nonce >> 32).byteSwapped, UInt32(truncatingIfNeeded: nonce).byteSwapped)
    }

    // MARK: The subkey

    /// Counts the nonce's first 16 bytes up, as a big-endian number that wraps.
    private func carry() {
        for offset in (Offset.longNonce..<Offset.longNonce + 16).reversed() {
            unsafe memory.start[offset] &+= 1
            if unsafe memory.start[offset] != 0 { break }
        }
        deriveSubkey()
    }

    private func deriveSubkey() {
        // Where a body's second block stands: nothing is there while a nonce is counted up.
        let subkey = unsafe memory.start + Offset.frame + 2 * Self.blockByteCount
        let start = unsafe memory.start
        expectSuccess(
            unsafe crypto_core_hsalsa20(subkey, start + Offset.longNonce, start + Offset.key, nil))
        unsafe (state[0], state[5], state[10], state[15]) = Self.constants
        let words = unsafe UnsafeRawBufferPointer(start: subkey, count: 32)
        for index in 0..<4 {
            let (low, high) = unsafe (
                words.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self),
                words.loadUnaligned(fromByteOffset: 16 + 4 * index, as: UInt32.self)
            )
            unsafe (state[1 + index], state[11 + index]) = (
                UInt32(littleEndian: low), UInt32(littleEndian: high)
            )
        }
        unsafe sodium_memzero(subkey, 32)
    }
}

/// Combines bytes with keystream, sixteen at a time; in place, or apart.
@unsafe
func combine(
    _ source: UnsafePointer<UInt8>, with keystream: UnsafePointer<UInt8>,
    to destination: UnsafeMutablePointer<UInt8>, byteCount: Int
) {
    let (input, mask) = unsafe (UnsafeRawPointer(source), UnsafeRawPointer(keystream))
    let output = UnsafeMutableRawPointer(destination)
    var offset = 0
    while offset + 16 <= byteCount {
        let words = unsafe input.loadUnaligned(fromByteOffset: offset, as: SIMD2<UInt64>.self)
        let keys = unsafe mask.loadUnaligned(fromByteOffset: offset, as: SIMD2<UInt64>.self)
        unsafe output.storeBytes(of: words ^ keys, toByteOffset: offset, as: SIMD2<UInt64>.self)
        offset += 16
    }
    while offset < byteCount {
        unsafe destination[offset] = source[offset] ^ keystream[offset]
        offset += 1
    }
}

/// Sees to it that no result code goes unread, of functions that libsodium documents no failure of.
func expectSuccess(_ status: Int32) {
    precondition(status == 0, "a stream cipher or a tag over memory cannot fail")
}
