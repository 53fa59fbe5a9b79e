public import TypedSodium

/// The 32 bytes that tell one network from another; a peer that does not know them gets no answer.
///
/// Not a secret: on the main network everybody knows it.
public struct NetworkIdentifier: Hashable, Sendable {
    /// The bytes.
    public let bytes: FixedBytes<32>

    /// Wraps the bytes.
    public init(_ bytes: FixedBytes<32>) { self.bytes = bytes }

    /// The main Scuttlebutt network.
    ///
    /// Source: ssb-caps, caps.json; Scuttlebutt Protocol Guide, "Handshake".
    public static let scuttlebutt: NetworkIdentifier = {
        let bytes: InlineArray<32, UInt8> = [
            0xd4, 0xa1, 0xcb, 0x88, 0xa6, 0x6f, 0x02, 0xf8, 0xdb, 0x63, 0x5c, 0xe2, 0x64, 0x41, 0xcc, 0x5d,
            0xac, 0x1b, 0x08, 0x42, 0x0c, 0xea, 0xac, 0x23, 0x08, 0x39, 0xb7, 0x55, 0x84, 0x5a, 0x9f, 0xfb,
        ]
        var identifier = FixedBytes<32>()
        identifier.storage = bytes
        return NetworkIdentifier(identifier)
    }()
}
