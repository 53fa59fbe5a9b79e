public import NIOCore

/// The fixed nine bytes in front of every muxrpc packet, in network byte order.
///
/// | offset | bytes | field                                                       |
/// |--------|-------|-------------------------------------------------------------|
/// | 0      | 1     | flags: bit 3 stream, bit 2 end or error, bits 1–0 body type |
/// | 1      | 4     | body length in bytes, unsigned                              |
/// | 5      | 4     | request number; an answer carries it negated                |
///
/// Source: Scuttlebutt Protocol Guide, "RPC protocol". Nine zero bytes mean goodbye; the upper four flags mean
/// nothing and are dropped.
public struct PacketHeader: Equatable, Sendable {
    /// The length of a header in bytes.
    public static let byteCount = 9

    /// Nine zero bytes: nothing follows them.
    public static let goodbye = PacketHeader(bodyType: .binary, bodyByteCount: 0, requestNumber: 0)

    /// How the body is to be read, or `nil` for the value 3, which is nobody's.
    public var bodyType: BodyType?
    /// Whether the packet belongs to a source, sink or duplex.
    public var isStream: Bool
    /// Whether the packet is the last of its stream, or the error that answers a call.
    public var isEnd: Bool
    /// The length of the body in bytes, as claimed.
    public var bodyByteCount: UInt32
    /// The number that the opener gave the request; negative in what its other side sends.
    public var requestNumber: Int32

    /// A header from its fields.
    public init(
        bodyType: BodyType?, isStream: Bool = false, isEnd: Bool = false, bodyByteCount: UInt32,
        requestNumber: Int32
    ) {
        self.bodyType = bodyType
        self.isStream = isStream
        self.isEnd = isEnd
        self.bodyByteCount = bodyByteCount
        self.requestNumber = requestNumber
    }

    /// Decodes the first ``byteCount`` bytes, or `nil` where there are fewer; every nine bytes are a header.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count >= Self.byteCount else { return nil }
        func word(at offset: Int) -> UInt32 {
            (offset..<offset + 4).reduce(0) { $0 << 8 | UInt32(bytes[$1]) }
        }
        self.init(flags: bytes[0], bodyByteCount: word(at: 1), requestNumber: Int32(bitPattern: word(at: 5)))
    }

    init(flags: UInt8, bodyByteCount: UInt32, requestNumber: Int32) {
        self.init(
            bodyType: BodyType(rawValue: flags & 0b11), isStream: flags & 0b1000 != 0,
            isEnd: flags & 0b100 != 0, bodyByteCount: bodyByteCount, requestNumber: requestNumber)
    }

    /// The flags byte.
    package var flags: UInt8 {
        (bodyType?.rawValue ?? 0b11) | (isEnd ? 0b100 : 0) | (isStream ? 0b1000 : 0)
    }
}

extension PacketHeader {
    /// The header of a binary packet of a stream.
    package init(binaryOf number: Int32, bodyByteCount: Int) {
        self.init(
            bodyType: .binary, isStream: true, bodyByteCount: UInt32(clamping: bodyByteCount),
            requestNumber: number)
    }

    /// Whether the packet carries bytes of a stream, and does not end it.
    package var isBinaryOfStream: Bool { isStream && !isEnd && bodyType == .binary }
}

/// How the body of a packet is to be read: bits 0 and 1 of its flags.
///
/// The fourth value, 3, is nobody's: a header that carries it has no body type.
public enum BodyType: UInt8, Sendable {
    /// Bytes with no meaning to muxrpc.
    case binary = 0
    /// UTF-8 text.
    case string = 1
    /// One JSON value; Go's encoders put a line feed behind it.
    case json = 2
}

extension ByteBuffer {
    /// Writes the nine bytes of a header.
    public mutating func writePacketHeader(_ header: PacketHeader) {
        writeInteger(header.flags)
        writeInteger(header.bodyByteCount)
        writeInteger(header.requestNumber)
    }

    /// Reads the nine bytes of a header, or nothing where there are fewer.
    public mutating func readPacketHeader() -> PacketHeader? {
        guard readableBytes >= PacketHeader.byteCount else { return nil }
        guard let flags: UInt8 = readInteger(), let count: UInt32 = readInteger(),
            let number: Int32 = readInteger()
        else { return nil }
        return PacketHeader(flags: flags, bodyByteCount: count, requestNumber: number)
    }
}
