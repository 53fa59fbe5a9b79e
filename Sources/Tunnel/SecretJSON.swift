internal import TypedSodium

/// JSON text that carries a secret: it stands in one place of memory, which is wiped when it is released.
///
/// It is sealed straight from there, so that an answer leaves no plaintext behind.
package final class SecretJSON: @unchecked Sendable {
    // Safety: the bytes are written by `init` and `deinit` alone; in between they are only read.
    private var bytes: [UInt8] = []

    /// Text of up to `capacity` bytes, at least one, which `write` appends.
    ///
    /// The capacity is a promise: an array that grows leaves a copy behind.
    package init<Failure>(capacity: Int, _ write: (inout [UInt8]) throws(Failure) -> Void) throws(Failure) {
        bytes.reserveCapacity(capacity)
        defer {
            precondition(bytes.count <= capacity, "a secret is written into the room that was made for it")
        }
        try write(&bytes)
    }

    deinit { wipe(&bytes) }

    /// The length in bytes.
    package var byteCount: Int { bytes.count }

    /// Lends the text, which must not be copied to where it stays.
    package func withSpan<Result, Failure>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let bytes = bytes  // a second reference for this call, and no second copy
        return try body(bytes.span)
    }
}
