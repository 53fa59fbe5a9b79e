internal import CSodium

/// Many keys from one: libsodium's `crypto_kdf_derive_from_key`.
///
/// The derived keys tell nothing about each other or about the master key.
public enum KeyDerivation {
    /// Eight bytes that name what the keys are for.
    public typealias Context = FixedBytes<8>

    /// The key with a number, derived from `master`.
    ///
    /// - Throws: ``SodiumError/outOfGuardedMemory``.
    public static func key(
        _ number: UInt64, context: Context, master: borrowing SecretKey, guarded: Bool = false
    ) throws(SodiumError) -> SecretKey {
        let derived = try SecretKey(uninitializedGuarded: guarded)
        let status = unsafe context.withUnsafeBytes { name in
            StackMemory.wipingAfter {
                unsafe crypto_kdf_derive_from_key(
                    derived.start.bytePointer, SecretKey.byteCount, number,
                    name.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self),
                    master.start.bytePointer)
            }
        }
        precondition(status == 0, "a key of 32 bytes can be derived from any other")
        return derived
    }
}
