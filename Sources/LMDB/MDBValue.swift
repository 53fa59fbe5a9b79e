internal import CLMDB

// LMDB takes keys by a pointer that is not const, and never writes through it.

extension [UInt8] {
    /// Lends the bytes to LMDB; they must not outlive the call.
    @unsafe
    func withMDBValue(_ body: (inout MDB_val) -> Int32) -> Int32 {
        unsafe withUnsafeBytes { bytes in
            var value = unsafe MDB_val(
                mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
            return unsafe body(&value)
        }
    }
}

extension MDB_val {
    /// Lends the bytes where LMDB has them; the transaction must neither end nor write meanwhile.
    @unsafe
    func withSpan<Result: ~Copyable, Failure>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let start = unsafe mv_data.map { unsafe UnsafePointer($0.assumingMemoryBound(to: UInt8.self)) }
        let bytes = unsafe UnsafeBufferPointer(start: start, count: mv_size)
        return try unsafe body(bytes.span)
    }
}
