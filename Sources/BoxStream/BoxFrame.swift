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
