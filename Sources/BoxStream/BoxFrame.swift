/// The fixed measures of a box-stream frame, in bytes.
///
/// | offset | bytes   | field                                                                     |
/// |--------|---------|---------------------------------------------------------------------------|
/// | 0      | 34      | header box: 16 of tag, then 18 sealed: body length (2, big-endian), body tag |
/// | 34     | 1…4096  | body ciphertext; its tag stands in the header                               |
///
/// A header box over 18 zero bytes is the goodbye: nothing follows it. Header and body are XSalsa20-Poly1305
/// boxes under one key; the header takes the nonce that is next in line and the body the one after it. The
/// nonce counts as one 24-byte big-endian number and wraps to zero.
///
/// Source: Scuttlebutt Protocol Guide, "Box stream".
public enum BoxFrame {
    /// The length of a header box, and so of the goodbye.
    public static var headerByteCount: Int { 34 }
    /// The longest body a frame can carry; a longer message is cut here.
    public static var maximumBodyByteCount: Int { 4096 }
    /// The length of a Poly1305 tag.
    public static var tagByteCount: Int { 16 }
    /// What is sealed into a header box: two bytes of length and the body's tag.
    static var plainHeaderByteCount: Int { 18 }
}

/// What an ``Opener`` refuses; each is final.
public enum BoxStreamError: Error, Equatable, Sendable {
    /// A tag does not authenticate its header or body: altered, replayed, reordered, or another key's.
    case forged
    /// The input ended before the goodbye, whether between two frames or inside one.
    case truncated
    /// A genuine header announces a body longer than ``BoxFrame/maximumBodyByteCount``, by this many bytes.
    case overlength(Int)
    /// A genuine header announces a body of no bytes without being the goodbye.
    case emptyBody
    /// Bytes came behind the goodbye.
    case afterGoodbye
    /// An earlier call threw, and a failed stream stays failed.
    case failed
}
