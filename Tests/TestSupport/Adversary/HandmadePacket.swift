internal import MuxRPC
internal import NIOCore

/// A muxrpc packet without any guard: what it claims need not be what it carries.
struct HandmadePacket {
    var flags: UInt8
    var number: Int32
    var body: [UInt8]
    /// The length in the header, where it is not the body's.
    var claimedByteCount: UInt32?

    init(_ flags: UInt8, _ number: Int32, _ body: [UInt8], claiming byteCount: UInt32? = nil) {
        self.flags = flags
        self.number = number
        self.body = body
        claimedByteCount = byteCount
    }

    init(_ flags: UInt8, _ number: Int32, _ text: String) { self.init(flags, number, Array(text.utf8)) }

    /// Flags of what is sent, as other implementations write them.
    enum Flags {
        static let call: UInt8 = 0x02
        static let error: UInt8 = 0x06
        static let bytes: UInt8 = 0x08
        static let text: UInt8 = 0x09
        static let open: UInt8 = 0x0a
        static let end: UInt8 = 0x0e
    }

    static func call(_ number: Int32, _ name: String, _ arguments: String = "[]") -> HandmadePacket {
        HandmadePacket(Flags.call, number, #"{"name":\#(parts(name)),"args":\#(arguments)}"#)
    }

    static func open(
        _ number: Int32, _ name: String, _ arguments: String = "[]", type: String = "duplex"
    ) -> HandmadePacket {
        HandmadePacket(
            Flags.open, number, #"{"name":\#(parts(name)),"args":\#(arguments),"type":"\#(type)"}"#)
    }

    static func end(_ number: Int32) -> HandmadePacket { HandmadePacket(Flags.end, number, "true") }

    static func error(_ number: Int32, _ message: String, isStream: Bool) -> HandmadePacket {
        HandmadePacket(
            isStream ? Flags.end : Flags.error, number,
            #"{"message":"\#(message)","name":"Error","stack":""}"#)
    }

    static let goodbye = HandmadePacket(0, 0, [])

    var bytes: [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeInteger(flags)
        buffer.writeInteger(claimedByteCount ?? UInt32(body.count))
        buffer.writeInteger(number)
        return Array(buffer: buffer) + body
    }

    private static func parts(_ name: String) -> String {
        "[" + name.split(separator: ".").map { "\"\($0)\"" }.joined(separator: ",") + "]"
    }
}
