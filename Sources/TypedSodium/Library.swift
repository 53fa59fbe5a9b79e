internal import CSodium

/// Sets libsodium up once per process.
///
/// Every initialiser of a type that allocates, draws random bytes or picks an implementation touches
/// ``isReady`` first: `sodium_malloc` aborts before `sodium_init`, and the portable code that would run
/// without it is half as fast. `sodium_init` is idempotent and thread-safe.
enum Library {
    static let isReady: Void = {
        let status = sodium_init()
        precondition(status >= 0, "libsodium could not be initialised on this machine")
    }()
}

/// The libsodium that this process uses.
package enum SodiumVersion {
    /// As the library tells it: `1.0.18`.
    package static var text: String { unsafe String(cString: sodium_version_string()) }
}

/// What the primitives refuse.
public enum SodiumError: Error, Equatable, Sendable {
    /// A key, tag, nonce or signature was given in the wrong length, in bytes.
    case wrongByteCount(Int, expected: Int)
    /// A tag or signature does not authenticate what it came with.
    case forged
    /// A point of small order: what would be agreed on is known to everybody.
    case weakKey
    /// An Ed25519 key that is no point of the curve, or not of its main subgroup.
    case notOnCurve
    /// A key pair whose two halves do not belong together.
    case mismatchedKeyPair
    /// Text that is not the one spelling of any bytes.
    case notCanonicalText
    /// Guarded memory could not be had: the process has used up its locked memory or its memory maps.
    case outOfGuardedMemory
}

/// The stack that C functions have used, which keeps what they computed with until something else is written there.
///
/// libsodium wipes its own buffers, but not what the compiler spilled, nor the words of a hash's message.
enum StackMemory {
    /// Deeper than any function goes that is called here; writing it takes some 0.1 µs.
    private static let byteCount = 8_192

    /// Calls a function that computes with secrets, and wipes the stack that it has used.
    ///
    /// Everything here that takes or gives a secret goes through it, except the frames of a connection, whose keys are
    /// of that connection alone and beside which it would cost too much.
    @inline(never)
    static func wipingAfter(_ call: () -> Int32) -> Int32 {
        defer { sodium_stackzero(byteCount) }
        return call()
    }
}

// libsodium takes `unsigned char *`; Swift's raw pointers may alias any type, so the view is sound.

extension UnsafeRawBufferPointer {
    /// The start as C's `const unsigned char *`; an empty buffer gets a pointer that is never read.
    @usableFromInline
    var bytePointer: UnsafePointer<UInt8> {
        guard let start = baseAddress else { return unsafe emptyByte }
        return unsafe start.assumingMemoryBound(to: UInt8.self)
    }
}

extension UnsafeMutableRawBufferPointer {
    /// The start as C's `unsigned char *`; only asked of buffers that are not empty.
    var bytePointer: UnsafeMutablePointer<UInt8> {
        unsafe baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
    }
}

extension UnsafeMutableRawPointer {
    /// The same address as C's `unsigned char *`.
    var bytePointer: UnsafeMutablePointer<UInt8> { unsafe assumingMemoryBound(to: UInt8.self) }
}

/// One byte for C functions that refuse a null pointer with a length of zero; never written, never freed.
nonisolated(unsafe) private let emptyByte: UnsafePointer<UInt8> = {
    let byte = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
    unsafe byte.initialize(to: 0)
    return unsafe UnsafePointer(byte)
}()

/// The operating system's random bytes, through libsodium.
public enum Random {
    /// Fresh random bytes.
    public static func bytes(_ count: Int) -> [UInt8] {
        _ = Library.isReady
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            if let start = buffer.baseAddress { unsafe randombytes_buf(start, count) }
            initialized = count
        }
    }
}

/// Wipes an array that held a secret; the compiler does not optimise it away.
public func wipe(_ bytes: inout [UInt8]) {
    unsafe bytes.withUnsafeMutableBytes { buffer in
        if let start = buffer.baseAddress { unsafe sodium_memzero(start, buffer.count) }
    }
}
