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
