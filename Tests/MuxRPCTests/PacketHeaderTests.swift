import MuxRPC
import NIOCore
import TestSupport
import Testing

@Suite("PacketHeader")
struct PacketHeaderTests {
    @Test("reads and writes the headers of JavaScript's encoder")
    func agreesWithJavaScript() throws {
        for frame in try Vectors.frames().values {
            let header = try #require(decodedHeader(frame.header.bytes))
            #expect(Int(header.bodyByteCount) == frame.body.bytes.count, "\(frame.name)")
            var written = ByteBuffer()
            written.writePacketHeader(header)
            #expect(Array(buffer: written) == frame.header.bytes, "\(frame.name)")
        }
    }

    @Test("splits the flags", arguments: 0..<UInt8.max)
    func splitsFlags(_ flags: UInt8) throws {
        let header = try #require(decodedHeader(packet(flags, -2, "x")))
        #expect(header.bodyType == BodyType(rawValue: flags & 3))
        #expect(header.isEnd == (flags & 4 != 0))
        #expect(header.isStream == (flags & 8 != 0))
        #expect(header.flags == flags & 15)
        #expect(header.requestNumber == -2)
        #expect(header.bodyByteCount == 1)
    }

    @Test("keeps both ends of the number's range")
    func keepsExtremes() throws {
        for number in [Int32.min, -1, 0, 1, .max] {
            #expect(decodedHeader(packet(8, number, ""))?.requestNumber == number)
        }
        #expect(decodedHeader(Hex("00ffffffff00000000").bytes)?.bodyByteCount == .max)
        #expect(StreamID(receivedNumber: .min) == nil)
        #expect(StreamID(receivedNumber: 0) == nil)
        #expect(StreamID(receivedNumber: .max)?.sentNumber == -.max)
    }

    @Test("wants nine bytes", arguments: 0..<9)
    func wantsNineBytes(_ count: Int) {
        #expect(decodedHeader([UInt8](repeating: 0, count: count)) == nil)
        var bytes = ByteBuffer(repeating: 0, count: count)
        #expect(bytes.readPacketHeader() == nil)
        #expect(bytes.readableBytes == count)
    }

    @Test("knows the goodbye")
    func knowsGoodbye() throws {
        let frame = try #require(try Vectors.frames()["goodbye"])
        #expect(decodedHeader(frame.bytes) == .goodbye)
    }
}
