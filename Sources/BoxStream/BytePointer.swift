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
