internal import CSodium

/// Bytes of the heap, zero at first, that are wiped before they are given back.
///
/// A secret stands here and not inside a struct so that moving the struct leaves no copy of it behind. libsodium
/// was set up by the `SecretKey` that whoever uses this had to make first.
@safe
struct WipedMemory: ~Copyable, @unchecked Sendable {
    // Safety: the bytes have one owner, which cannot be copied, and whose `mutating` calls alone write to them.
    let start: UnsafeMutablePointer<UInt8>
    private let byteCount: Int

    init(byteCount: Int) {
        unsafe start = .allocate(capacity: byteCount)
        unsafe start.initialize(repeating: 0, count: byteCount)
        self.byteCount = byteCount
    }

    deinit {
        wipe()
        unsafe start.deallocate()
    }

    /// Forgets the bytes; the compiler does not optimise it away.
    func wipe() { unsafe sodium_memzero(start, byteCount) }
}

// libsodium takes `unsigned char *`; Swift's raw pointers may alias any type, so the view is sound. Only asked
// of buffers that are not empty: every length was checked before.

extension UnsafeRawBufferPointer {
    /// The start as C's `const unsigned char *`.
    var bytePointer: UnsafePointer<UInt8> {
        unsafe baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
    }
}

extension UnsafeMutableRawBufferPointer {
    /// The start as C's `unsigned char *`.
    var bytePointer: UnsafeMutablePointer<UInt8> {
        unsafe baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
    }
}
