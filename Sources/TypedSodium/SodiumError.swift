/// What the primitives refuse.
public enum SodiumError: Error, Equatable, Sendable {
    /// A key, tag, nonce or signature was given in the wrong length, in bytes.
    case wrongByteCount(Int, expected: Int)
    /// A tag or signature does not authenticate what it came with.
    case forged
    /// A point of small order: what would be agreed on is known to everybody.
    case weakKey
    /// An Ed25519 key that is no point of the curve, or not of its main subgroup.
    case notOnCurve
    /// A key pair whose two halves do not belong together.
    case mismatchedKeyPair
    /// Text that is not the one spelling of any bytes.
    case notCanonicalText
    /// Guarded memory could not be had: the process has used up its locked memory or its memory maps.
    case outOfGuardedMemory
}
