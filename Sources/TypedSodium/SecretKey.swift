internal import CSodium

/// 32 secret bytes in one place of memory that is wiped when the key is released.
///
/// The bytes stand on the heap so that moving the key leaves no copy behind. A `guarded` key stands in
/// `sodium_malloc` memory (locked, between guard pages, 8 KiB and about 20 µs): for long-term secrets only.
/// There is no description and no `==`: compare with ``isEqual(to:)``, which takes constant time.
@safe
public struct SecretKey: ~Copyable, @unchecked Sendable {
    // Safety: the memory is written only inside the initialisers and freed only by `deinit`; a value that
    // cannot be copied has one owner, so sharing it between threads shares read access alone.
    let start: UnsafeMutableRawPointer
    private let isGuarded: Bool

    /// The length of every secret key in bytes.
    public static var byteCount: Int { 32 }

    /// Copies 32 bytes; the caller wipes its own copy.
    ///
    /// - Throws: ``SodiumError/wrongByteCount(_:expected:)`` or ``SodiumError/outOfGuardedMemory``.
    public init(copying bytes: Span<UInt8>, guarded: Bool = false) throws(SodiumError) {
        guard bytes.count == Self.byteCount else {
            throw .wrongByteCount(bytes.count, expected: Self.byteCount)
        }
        try self.init(uninitializedGuarded: guarded)
        unsafe bytes.withUnsafeBytes { source in
            unsafe start.copyMemory(from: source.baseAddress.unsafelyUnwrapped, byteCount: Self.byteCount)
        }
    }

    /// Draws 32 random bytes from the operating system.
    ///
    /// - Throws: ``SodiumError/outOfGuardedMemory``.
    public static func random(guarded: Bool = false) throws(SodiumError) -> SecretKey {
        let key = try SecretKey(uninitializedGuarded: guarded)
        unsafe randombytes_buf(key.start, byteCount)
        return key
    }

    /// Memory that is not guarded, for a result that the caller fills at once; it cannot run out of locked pages.
    init(uninitialized: Void) {
        _ = Library.isReady
        unsafe self.init(owning: .allocate(byteCount: Self.byteCount, alignment: 16), isGuarded: false)
    }

    /// Memory for a result that the caller fills at once.
    init(uninitializedGuarded guarded: Bool) throws(SodiumError) {
        guard guarded else {
            self.init(uninitialized: ())
            return
        }
        _ = Library.isReady
        guard let memory = unsafe sodium_malloc(Self.byteCount) else { throw .outOfGuardedMemory }
        unsafe self.init(owning: memory, isGuarded: true)
    }

    private init(owning memory: UnsafeMutableRawPointer, isGuarded: Bool) {
        unsafe start = memory
        self.isGuarded = isGuarded
    }

    deinit {
        if isGuarded {
            unsafe sodium_free(start)  // wipes first
        } else {
            unsafe sodium_memzero(start, Self.byteCount)
            unsafe start.deallocate()
        }
    }

    /// Lends the bytes to a C function; they must not outlive the call.
    @unsafe
    public borrowing func withUnsafeBytes<Result, Failure>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(UnsafeRawBufferPointer(start: start, count: Self.byteCount))
    }

    /// Whether both keys are the same, in constant time.
    public borrowing func isEqual(to other: borrowing SecretKey) -> Bool {
        unsafe sodium_memcmp(start, other.start, Self.byteCount) == 0
    }

    /// A second owner of the same bytes, not guarded.
    public borrowing func copy() -> SecretKey {
        let copy = SecretKey(uninitialized: ())
        unsafe copy.start.copyMemory(from: start, byteCount: Self.byteCount)
        return copy
    }

    /// A second owner of the same bytes, in guarded memory.
    ///
    /// - Throws: ``SodiumError/outOfGuardedMemory``.
    public borrowing func guardedCopy() throws(SodiumError) -> SecretKey {
        let copy = try SecretKey(uninitializedGuarded: true)
        unsafe copy.start.copyMemory(from: start, byteCount: Self.byteCount)
        return copy
    }

    /// Appends the bytes to a message that is to be signed; the caller wipes it, and reserves its capacity
    /// first, because an array that grows leaves a copy behind.
    public borrowing func append(to bytes: inout [UInt8]) {
        unsafe withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
    }
}

extension SecretKey {
    /// X25519: what this secret and `other` have in common.
    ///
    /// - Throws: ``SodiumError/weakKey`` when `other` has small order, so that the result is all zero.
    public borrowing func agree(with other: AgreementPublicKey) throws(SodiumError) -> SecretKey {
        let shared = SecretKey(uninitialized: ())
        let status = unsafe other.bytes.withUnsafeBytes { point in
            StackMemory.wipingAfter {
                unsafe crypto_scalarmult(
                    shared.start.bytePointer, start.bytePointer, point.bytePointer)
            }
        }
        guard status == 0 else { throw .weakKey }
        return shared
    }
}
