internal import CSodium

/// SHA-256 over parts that arrive one after another; the state is wiped with the value.
@safe
public struct SHA256: ~Copyable {
    private let state: UnsafeMutablePointer<crypto_hash_sha256_state>

    /// An empty hash.
    public init() {
        _ = Library.isReady
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: crypto_hash_sha256_state())
        let status = unsafe crypto_hash_sha256_init(state)
        precondition(status == 0, "SHA-256 cannot fail")
    }

    deinit {
        unsafe sodium_memzero(state, MemoryLayout<crypto_hash_sha256_state>.size)
        unsafe state.deallocate()
    }

    /// Appends bytes.
    public mutating func update(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBytes { unsafe append($0) }
    }

    /// Appends bytes.
    public mutating func update(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { unsafe append($0) }
    }

    /// Appends a value of fixed length.
    public mutating func update<let count: Int>(_ bytes: FixedBytes<count>) {
        unsafe bytes.withUnsafeBytes { unsafe append($0) }
    }

    /// Appends a secret.
    public mutating func update(_ key: borrowing SecretKey) {
        unsafe key.withUnsafeBytes { unsafe append($0) }
    }

    /// The hash of what was appended, where it is public.
    public consuming func finalize() -> FixedBytes<32> {
        var digest = FixedBytes<32>()
        unsafe digest.withUnsafeMutableBytes { unsafe finish(into: $0.bytePointer) }
        return digest
    }

    /// The hash of what was appended, where it is a secret.
    public consuming func finalizeSecret() -> SecretKey {
        let digest = SecretKey(uninitialized: ())
        unsafe finish(into: digest.start.bytePointer)
        return digest
    }

    /// The hash of one piece.
    public static func hash(_ bytes: Span<UInt8>) -> FixedBytes<32> {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finalize()
    }

    private func append(_ bytes: UnsafeRawBufferPointer) {
        let status = StackMemory.wipingAfter {
            unsafe crypto_hash_sha256_update(state, bytes.bytePointer, UInt64(bytes.count))
        }
        precondition(status == 0, "SHA-256 cannot fail")
    }

    private func finish(into output: UnsafeMutablePointer<UInt8>) {
        let status = StackMemory.wipingAfter { unsafe crypto_hash_sha256_final(state, output) }
        precondition(status == 0, "SHA-256 cannot fail")
    }
}
