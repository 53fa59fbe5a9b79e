/// What is paid for a stream: its places, and the memory that it holds.
///
/// It travels with the local end, which may still have bytes and its socket when the stream is over.
public final class ServicePlace: Sendable {
    /// What a stream costs that holds nothing, with the objects of its local end, in bytes.
    static let ownByteCount = 4096

    /// What the stream holds.
    let open: OpenHolding

    init(_ open: OpenHolding) { self.open = open }

    /// For how many bytes is paid.
    var byteCount: Int { open.holding.byteCount }
}
