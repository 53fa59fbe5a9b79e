internal import CSodium

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
