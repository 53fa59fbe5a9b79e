import Multiserver
import NIOCore
import Testing
import Tunnel

@Suite("An address that means this machine or its links")
struct LocalAddressTests {
    @Test(
        "is known in every notation",
        arguments: [
            ("127.0.0.1", .loopback), ("127.255.0.9", .loopback), ("::1", .loopback),
            ("0.0.0.0", .unspecified), ("0.1.2.3", .unspecified), ("::", .unspecified),
            ("169.254.169.254", .linkLocal), ("fe80::1", .linkLocal), ("febf:ffff::1", .linkLocal),
            ("224.0.0.1", .multicast), ("239.255.255.255", .multicast), ("ff02::1", .multicast),
            ("255.255.255.255", .broadcast),
            // IPv4 addresses inside IPv6 ones: mapped, compatible, translated, NAT64, NAT64 of one's own, 6to4, Teredo.
            ("::ffff:127.0.0.1", .loopback), ("::ffff:0.0.0.0", .unspecified),
            ("::ffff:169.254.0.1", .linkLocal), ("::127.0.0.1", .loopback), ("::ffff:0:127.0.0.1", .loopback),
            ("64:ff9b::127.0.0.1", .loopback), ("64:ff9b::224.0.0.1", .multicast),
            ("64:ff9b:1::127.0.0.1", .loopback), ("64:ff9b:1:2:3:4:7f00:1", .loopback),
            ("2002:7f00:1::", .loopback), ("2002:a9fe:a9fe::1", .linkLocal),
            ("2001:0:1:2:3:4:80ff:fffe", .loopback),
        ] as [(String, LocalAddressKind)])
    func local(_ text: String, _ kind: LocalAddressKind) throws {
        #expect(LocalAddressKind(try SocketAddress(ipAddress: text, port: 8008)) == kind)
    }

    @Test(
        "is not any other",
        arguments: [
            "192.0.2.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "126.255.255.255", "128.0.0.1", "1.0.0.0",
            "169.253.255.255", "169.255.0.0", "223.255.255.255", "240.0.0.1", "255.255.255.254",
            "2001:db8::1", "fc00::1", "fec0::1", "fe00::1", "::ffff:192.0.2.1", "64:ff9b::192.0.2.1",
            "64:ff9c::127.0.0.1", "2002:c000:201::1", "2001:0:1:2:3:4:3fff:fdfe", "2001:1::80ff:fffe",
        ])
    func others(_ text: String) throws {
        #expect(LocalAddressKind(try SocketAddress(ipAddress: text, port: 8008)) == nil)
    }

    @Test(
        "that stands for every interface is nothing that others dial",
        arguments: [
            ("*:8008", nil), ("0.0.0.0:8008", nil), ("[::]:8008", nil), ("::ffff:0.0.0.0:8008", nil),
            ("192.0.2.1:8008", "192.0.2.1"), ("portal.example.org:8008", "portal.example.org"),
            ("8008", "localhost"),
        ] as [(String, String?)])
    func dialled(_ text: String, _ host: String?) throws {
        #expect(try ListenAddress(text).dialledHost == host)
    }
}
