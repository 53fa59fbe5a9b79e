internal import CLMDB

/// A value as a table keeps it.
///
/// | offset | bytes | field                                                 |
/// |--------|-------|-------------------------------------------------------|
/// | 0      | 1     | version of the payload's format, its owner's business |
/// | 1      | n     | payload                                               |
/// | 1 + n  | 8     | checksum, most significant byte first                 |
///
/// The checksum is the CRC-64 of the table's name, a zero byte, the key's length in two bytes, key, version,
/// payload. Name and key are part of it, so that a value which turns up under another key is noticed too.
package struct CheckedValue: Hashable, Sendable {
    /// The version of the payload's format.
    package let version: UInt8
    /// The payload.
    package let payload: [UInt8]

    /// Bytes that a value takes beyond its payload.
    package static var overheadByteCount: Int { 9 }

    /// A value.
    package init(version: UInt8, payload: [UInt8]) {
        self.version = version
        self.payload = payload
    }

    /// A value whose payload was lent.
    static func copy(version: UInt8, payload: Span<UInt8>) throws(LMDBError) -> CheckedValue {
        CheckedValue(version: version, payload: payload.array)
    }

    static func checksum(
        table: String, key: Span<UInt8>, version: UInt8, payload: Span<UInt8>
    ) -> UInt64 {
        var checksum = CRC64()
        checksum.update(table.utf8)
        checksum.update(0)
        checksum.update(UInt8(truncatingIfNeeded: key.count >> 8))
        checksum.update(UInt8(truncatingIfNeeded: key.count))
        checksum.update(key)
        checksum.update(version)
        checksum.update(payload)
        return checksum.value
    }

    /// Whether bytes as they stand in a table are what was put there.
    static func isIntact(_ stored: Span<UInt8>, table: String, key: Span<UInt8>) -> Bool {
        guard stored.count >= overheadByteCount else { return false }
        var claimed: UInt64 = 0
        for index in stored.count - 8..<stored.count { claimed = claimed << 8 | UInt64(stored[index]) }
        let payload = stored.extracting(1..<stored.count - 8)
        return checksum(table: table, key: key, version: stored[0], payload: payload) == claimed
    }
}

/// A key and its value, copied out of a table.
package struct Entry: Hashable, Sendable {
    /// The key.
    package let key: [UInt8]
    /// The value.
    package let value: CheckedValue

    /// A key and its value.
    package init(key: [UInt8], value: CheckedValue) {
        self.key = key
        self.value = value
    }
}

extension Span<UInt8> {
    /// The bytes, copied.
    package var array: [UInt8] { unsafe withUnsafeBytes { unsafe Array($0) } }
}

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
