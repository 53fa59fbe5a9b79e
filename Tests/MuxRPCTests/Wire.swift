import MuxRPC
import NIOCore
import TestSupport

/// A packet as bytes, for tests: `packet(0x0a, 1, #"{"name":…}"#)`.
func packet(_ flags: UInt8, _ number: Int32, _ text: String) -> [UInt8] {
    packet(flags, number, Array(text.utf8))
}

func packet(_ flags: UInt8, _ number: Int32, _ body: [UInt8]) -> [UInt8] {
    var bytes = ByteBuffer()
    bytes.writeInteger(flags)
    bytes.writeInteger(UInt32(body.count))
    bytes.writeInteger(number)
    bytes.writeBytes(body)
    return Array(buffer: bytes)
}

/// The header in front of these bytes; the expectation macros take no spans.
func decodedHeader(_ bytes: [UInt8]) -> PacketHeader? { PacketHeader(bytes.span) }

/// A packet that was sent, to be read in an expectation.
struct Sent: Equatable, CustomStringConvertible {
    let flags: UInt8
    let number: Int32
    let text: String

    init(_ flags: UInt8, _ number: Int32, _ text: String) {
        self.flags = flags
        self.number = number
        self.text = text
    }

    static func failure(_ number: Int32, _ message: String, isStream: Bool = false) -> Sent {
        Sent(isStream ? 0x0e : 0x06, number, #"{"message":"\#(message)","name":"Error","stack":""}"#)
    }

    static func end(_ number: Int32) -> Sent { Sent(0x0e, number, "true") }
    static let goodbye = Sent(0, 0, "")

    var description: String { "\(String(flags, radix: 16)) \(number) \(text)" }
}

extension Manifest {
    /// What the tests' sessions offer.
    static let tested: Manifest = [
        "whoami": .sync, "tunnel.connect": .duplex, "tunnel.endpoints": .source, "tunnel.announce": .async,
        "blob.put": .sink,
    ]
}
