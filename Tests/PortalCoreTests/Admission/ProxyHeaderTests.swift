import NIOCore
import PortalCore
import TestSupport
import Testing

@Suite("What a proxy says in front of a connection")
struct ProxyHeaderTests {
    /// A header, and where it says that the connection comes from; `nil` for nowhere.
    struct Sample: CustomTestStringConvertible, Sendable {
        let name: String
        let bytes: [UInt8]
        let source: String?

        var testDescription: String { name }

        init(_ text: String, from source: String?) {
            (name, bytes, self.source) = (text, Array("\(text)\r\n".utf8), source)
        }

        /// Of version 2, with what stands behind the fixed part.
        init(_ name: String, _ command: UInt8, _ kind: UInt8, _ rest: [UInt8], from source: String?) {
            self.name = name
            bytes = signature + [command, kind, UInt8(rest.count >> 8), UInt8(rest.count & 0xFF)] + rest
            self.source = source
        }
    }

    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]
    private static let older: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 7, 0xC7, 0x38, 1, 0xBB]
    private static let newer: [UInt8] =
        [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [9]
        + [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1] + [0xC7, 0x38, 1, 0xBB]
    private static let mapped =
        ([UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, 192, 0, 2, 1]) + newer.suffix(20)
    /// ALPN, and padding.
    private static let values: [UInt8] = [1, 0, 2, 0x68, 0x32, 4, 1, 0] + [UInt8](repeating: 0, count: 256)

    static let samples = [
        Sample("PROXY TCP4 192.0.2.1 198.51.100.7 51000 443", from: "192.0.2.1"),
        Sample("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535", from: "0.0.0.0"),
        Sample("PROXY TCP6 2001:db8::9 2001:DB8::1 51000 443", from: "2001:db8:0:0::/64"),
        Sample("PROXY TCP6 ::ffff:192.0.2.1 ::1 51000 443", from: "192.0.2.1"),
        Sample(
            "PROXY TCP6 " + Array(repeating: "ffff", count: 8).joined(separator: ":") + " "
                + Array(repeating: "ffff", count: 8).joined(separator: ":") + " 65535 65535",
            from: "ffff:ffff:ffff:ffff::/64"),
        Sample("PROXY UNKNOWN", from: nil), Sample("PROXY UNKNOWN whatever stands there", from: nil),
        Sample("IPv4", 0x21, 0x11, older, from: "192.0.2.1"),
        Sample("IPv4 with values", 0x21, 0x11, older + values, from: "192.0.2.1"),
        Sample("IPv6", 0x21, 0x21, newer, from: "2001:db8:0:0::/64"),
        Sample("IPv6 with values", 0x21, 0x21, newer + values, from: "2001:db8:0:0::/64"),
        Sample("IPv4 in IPv6", 0x21, 0x21, mapped, from: "192.0.2.1"),
        Sample("Unix", 0x21, 0x31, [UInt8](repeating: 0x2F, count: 216), from: nil),
        Sample("unspecified", 0x21, 0, [], from: nil),
        Sample("unspecified with values", 0x21, 0, values, from: nil),
        Sample("a check of health", 0x20, 0, [], from: nil),
        Sample("one with an address", 0x20, 0x11, older, from: nil),
        Sample("datagrams", 0x21, 0x12, older, from: nil),
        Sample("the longest", 0x21, 0x11, older + [UInt8](repeating: 4, count: 4096 - 28), from: "192.0.2.1"),
    ]

    @Test("is read from any piece that has all of it, and from none that has less", arguments: samples)
    func pieces(_ sample: Sample) throws {
        let bytes = sample.bytes + Array("what follows".utf8)
        for count in 0...bytes.count {
            let header = try ProxyHeader.read(ByteBuffer(bytes: bytes[..<count]))
            guard count >= sample.bytes.count else {
                #expect(header == nil, "\(count) bytes")
                continue
            }
            #expect(header?.byteCount == sample.bytes.count)
            #expect(header?.source.map { "\(SourceAddress($0))" } == sample.source)
        }
    }

    @Test("is nothing that begins otherwise, from the first byte that differs on")
    func missing() throws {
        let handshake = [UInt8](repeating: 0x77, count: 64)
        #expect(throws: ProxyHeaderError.missing) { try ProxyHeader.read(ByteBuffer(bytes: handshake)) }
        for signature in [Self.signature, Array("PROXY ".utf8)] {
            for index in signature.indices {
                var bytes = signature
                bytes[index] ^= 0x80
                #expect(throws: ProxyHeaderError.missing) {
                    try ProxyHeader.read(ByteBuffer(bytes: bytes[...index]))
                }
            }
        }
    }

    @Test(
        "is refused where it says what no header says",
        arguments: [
            "PROXY ", "PROXY TCP4", "PROXY TCP4 192.0.2.1 198.51.100.7 51000",
            "PROXY  TCP4 192.0.2.1 1.1.1.1 1 1",
            "PROXY TCP4 192.0.2.1 198.51.100.7 51000 443 ", "PROXY TCP5 192.0.2.1 198.51.100.7 51000 443",
            "PROXY TCP4 ::1 198.51.100.7 51000 443", "PROXY TCP6 192.0.2.1 ::1 51000 443",
            "PROXY TCP4 192.0.2.1 198.51.100.7 65536 443", "PROXY TCP4 192.0.2.1 198.51.100.7 051 443",
            "PROXY TCP4 192.0.2.1 198.51.100.7 -1 443", "PROXY TCP4 192.0.2.1 198.51.100.7 +1 443",
            "PROXY TCP4 192.0.2 198.51.100.7 1 443", "PROXY TCP4 192.0.2.256 198.51.100.7 1 443",
            "PROXY TCP4 portal.example 198.51.100.7 1 443", "PROXY TCP6 fe80::1%eth0 ::1 1 443",
            "PROXY tcp4 192.0.2.1 198.51.100.7 51000 443", "PROXY TCP4\t192.0.2.1 198.51.100.7 51000 443",
        ])
    func malformed(_ text: String) {
        #expect(throws: ProxyHeaderError.malformed) {
            try ProxyHeader.read(ByteBuffer(string: "\(text)\r\n"))
        }
        // Nor is an end of line without its first half one.
        #expect(throws: ProxyHeaderError.malformed) { try ProxyHeader.read(ByteBuffer(string: "\(text)\n")) }
    }

    @Test("is refused where its numbers are none of version 2")
    func malformedNumbers() {
        let samples: [(UInt8, UInt8, [UInt8])] = [
            (0x11, 0x11, Self.older), (0x31, 0x11, Self.older), (0x22, 0x11, Self.older),
            (0x21, 0x41, Self.older),
            (0x21, 0x13, Self.older), (0x21, 0x11, Self.older.dropLast()),
            (0x21, 0x21, Self.newer.dropLast()),
            (0x21, 0x31, [UInt8](repeating: 0, count: 215)), (0x21, 0x11, []),
        ]
        for (command, kind, rest) in samples {
            let bytes = Sample("", command, kind, rest, from: nil).bytes
            #expect(throws: ProxyHeaderError.malformed, "\(command) \(kind)") {
                try ProxyHeader.read(ByteBuffer(bytes: bytes))
            }
        }
    }

    @Test("has an end, before which nobody waits for more")
    func tooLong() throws {
        let line = Array("PROXY UNKNOWN ".utf8) + [UInt8](repeating: 0x20, count: 200)
        #expect(try ProxyHeader.read(ByteBuffer(bytes: line.prefix(106))) == nil)
        #expect(throws: ProxyHeaderError.tooLong(limit: 107)) {
            try ProxyHeader.read(ByteBuffer(bytes: line.prefix(107)))
        }
        let long = Self.signature + [0x21, 0x11, 0x0F, 0xF1]
        #expect(throws: ProxyHeaderError.tooLong(limit: 4096)) {
            try ProxyHeader.read(ByteBuffer(bytes: long))
        }
    }

    @Test("is no trap for any bytes")
    func random() {
        var random = SeededRandom(seed: 7)
        for _ in 0..<20_000 {
            var bytes = (Self.samples.randomElement(using: &random)?.bytes ?? []) + [1, 2, 3]
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<min(bytes.count, 40), using: &random)] = .random(
                    in: 0...255, using: &random)
            }
            guard let header = try? ProxyHeader.read(ByteBuffer(bytes: bytes)) else { continue }
            #expect(header.byteCount <= bytes.count)
        }
    }
}
