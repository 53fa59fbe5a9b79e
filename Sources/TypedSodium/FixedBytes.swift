internal import CSodium

/// A value of exactly `count` bytes, stored inline: a public key, a signature, a tag, a nonce.
///
/// Not for secrets: it is copied freely, and `==` takes variable time. Secrets live in ``SecretKey``; a value that
/// only its owner should know, but has to be sent, is compared with ``isEqual(to:)``.
public struct FixedBytes<let count: Int>: Sendable {
    /// The bytes themselves; `.span` reads them without a copy.
    public var storage: InlineArray<count, UInt8>

    /// All zero.
    public init() { storage = InlineArray(repeating: 0) }

    /// Copies the bytes.
    ///
    /// - Throws: ``SodiumError/wrongByteCount(_:expected:)`` unless there are exactly `count`.
    public init(_ bytes: Span<UInt8>) throws(SodiumError) {
        guard bytes.count == count else { throw .wrongByteCount(bytes.count, expected: count) }
        self.init(filling: { $0 = bytes[$1] })
    }

    /// Copies the bytes.
    ///
    /// - Throws: ``SodiumError/wrongByteCount(_:expected:)`` unless there are exactly `count`.
    public init(_ bytes: some Sequence<UInt8>) throws(SodiumError) {
        try self.init(Array(bytes).span)
    }

    /// Copies the `count` bytes that begin at `offset`, where the caller has already checked the length.
    public init(_ bytes: Span<UInt8>, at offset: Int) {
        self.init(filling: { $0 = bytes[offset + $1] })
    }

    private init(filling set: (inout UInt8, Int) -> Void) {
        self.init()
        for index in storage.indices { set(&storage[index], index) }
    }

    /// The bytes as an array, for text encodings and tests.
    public var array: [UInt8] { storage.indices.map { storage[$0] } }

    /// Whether all bytes are the same, in constant time.
    public func isEqual(to other: Self) -> Bool {
        unsafe withUnsafeBytes { own in
            unsafe other.withUnsafeBytes { theirs in
                unsafe sodium_memcmp(own.bytePointer, theirs.bytePointer, count) == 0
            }
        }
    }

    /// Lends the bytes to a C function.
    @inlinable
    @unsafe
    public func withUnsafeBytes<Result, Failure>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe storage.span.withUnsafeBytes(body)
    }

    /// Lends the bytes to a C function that fills them.
    @inlinable
    @unsafe
    public mutating func withUnsafeMutableBytes<Result, Failure>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var span = storage.mutableSpan
        return try unsafe span.withUnsafeMutableBytes(body)
    }
}

extension FixedBytes: Hashable {
    /// Whether all bytes are the same; not in constant time.
    public static func == (left: Self, right: Self) -> Bool {
        left.storage.indices.allSatisfy { left.storage[$0] == right.storage[$0] }
    }

    /// Feeds every byte.
    public func hash(into hasher: inout Hasher) {
        unsafe withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    }
}
