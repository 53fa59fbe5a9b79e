internal import CSodium

/// BLAKE2b with 32 bytes of output, with or without a key: libsodium's `crypto_generichash`.
///
/// Parts arrive one after another, so that a secret among them is never copied into a message of its own; the
/// state is wiped with the value.
@safe
public struct GenericHash: ~Copyable {
    /// The length of the digest in bytes.
    public static var byteCount: Int { 32 }

    // libsodium's structure asks for an alignment of 64 bytes, which Swift does not import.
    private let state: UnsafeMutableRawPointer
    private static let stateByteCount = crypto_generichash_statebytes()
    private static let stateAlignment = 64

    /// An empty hash without a key.
    public init() {
        _ = Library.isReady
        unsafe self.init(key: nil, keyByteCount: 0)
    }

    /// An empty hash under a key.
    public init(key: borrowing SecretKey) {
        unsafe self.init(key: UnsafePointer(key.start.bytePointer), keyByteCount: SecretKey.byteCount)
    }

    /// The hash of `label`, a zero byte, and what is appended.
    ///
    /// The label says what the digest is for, so that none can stand for another. Source: Companionway's
    /// protocol, `H(label, parts…)`.
    public init(label: String) {
        self.init()
        append(label: label)
    }

    /// The hash of `label`, a zero byte, and what is appended, under a key.
    ///
    /// Source: Companionway's protocol, `H(label, parts…, key)`.
    public init(label: String, key: borrowing SecretKey) {
        self.init(key: key)
        append(label: label)
    }

    private init(key: UnsafePointer<UInt8>?, keyByteCount: Int) {
        unsafe state = .allocate(byteCount: Self.stateByteCount, alignment: Self.stateAlignment)
        let status = StackMemory.wipingAfter {
            unsafe crypto_generichash_init(OpaquePointer(state), key, keyByteCount, Self.byteCount)
        }
        precondition(status == 0, "BLAKE2b takes no key or one of 32 bytes")
    }

    deinit {
        unsafe sodium_memzero(state, Self.stateByteCount)
        unsafe state.deallocate()
    }

    /// Appends bytes.
    public mutating func update(_ bytes: Span<UInt8>) {
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
    ///
    /// - Throws: ``SodiumError/outOfGuardedMemory``.
    public consuming func finalizeSecret(guarded: Bool = false) throws(SodiumError) -> SecretKey {
        let digest = try SecretKey(uninitializedGuarded: guarded)
        unsafe finish(into: digest.start.bytePointer)
        return digest
    }

    private func append(label: String) {
        let bytes = Array(label.utf8) + [0]
        unsafe bytes.withUnsafeBytes { unsafe append($0) }
    }

    private func append(_ bytes: UnsafeRawBufferPointer) {
        let status = StackMemory.wipingAfter {
            unsafe crypto_generichash_update(
                OpaquePointer(state), bytes.bytePointer, UInt64(bytes.count))
        }
        precondition(status == 0, "BLAKE2b takes any number of bytes")
    }

    private func finish(into output: UnsafeMutablePointer<UInt8>) {
        let status = StackMemory.wipingAfter {
            unsafe crypto_generichash_final(OpaquePointer(state), output, Self.byteCount)
        }
        precondition(status == 0, "BLAKE2b is finished once")
    }
}
