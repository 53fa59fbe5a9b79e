@testable import PortalCore
import NIOCore
import Testing

@Suite("Source addresses")
struct SourceAddressTests {
    private func source(_ text: String) throws -> SourceAddress {
        SourceAddress(try SocketAddress(ipAddress: text, port: 1))
    }

    @Test("are the IPv4 address, or the first 64 bits of the IPv6 one")
    func sources() throws {
        #expect(try source("192.0.2.1") == source("::ffff:192.0.2.1"))
        #expect(try source("192.0.2.1") != source("192.0.2.2"))
        #expect(try source("2001:db8::1") == source("2001:db8::ffff:2"))
        #expect(try source("2001:db8:0:1::1") != source("2001:db8::1"))
        #expect(SourceAddress(nil) == SourceAddress(nil))
        #expect(try SourceAddress(SocketAddress(unixDomainSocketPath: "/a")) != SourceAddress(nil))
    }

    @Test("of IPv6 share with the others of their /48")
    func networks() throws {
        let network = try source("2001:db8:7:1::1").network
        #expect(try network == source("2001:db8:7:2::1").network)
        #expect(try network != source("2001:db8:8:1::1").network)
        #expect(network?.network == nil)
        #expect(try source("192.0.2.1").network == nil)
    }

    @Test("have the usual text")
    func texts() throws {
        #expect(try "\(source("192.0.2.1"))" == "192.0.2.1")
        #expect(try "\(source("2001:db8:7:1::1"))" == "2001:db8:7:1::/64")
        #expect(try "\(source("2001:db8:7:1::1").network as SourceAddress?)".contains("2001:db8:7::/48"))
    }

    @Test(
        "are in a range or not",
        arguments: [
            ("10.0.0.0/8", "10.255.1.2", true), ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.9.9.9", true), ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false), ("192.0.2.0/31", "::ffff:192.0.2.1", true),
            ("0.0.0.0/0", "1.2.3.4", true), ("0.0.0.0/0", "::1", false), ("::/0", "2001:db8::1", true),
            ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::ffff:10.0.0.0/104", "10.1.1.1", true), ("::1", "::1", true), ("::1", "::2", false),
        ])
    func ranges(range: String, address: String, isInside: Bool) throws {
        let range = try AddressRange(range)
        #expect(range.contains(try SocketAddress(ipAddress: address, port: 2)) == isInside)
        let again = try AddressRange(range.description)
        #expect(again == range)
    }

    @Test(
        "are refused as a range",
        arguments: [
            "", "/8", "host/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/", "10.0.0.0/8/8",
            "::/129", "::ffff:10.0.0.0/95", "10.0.0/8",
        ])
    func badRanges(text: String) {
        #expect(throws: AddressRangeError.self) { try AddressRange(text) }
    }
}
