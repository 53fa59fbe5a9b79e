import Multiserver
import Testing

@Suite("NetAddress and ListenAddress")
struct NetAddressTests {
    @Test(
        "accept names and IP addresses",
        arguments: [
            "example.com", "localhost", "a", "xn--bcher-kva.example", "_ssb.example.com", "example.com.",
            "Host-1",
            "192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "::1", "1::", "2001:db8::1",
            "fcbc:6c66:bcd4:d3b5:2a2a:60b3:9b86:498f", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
            "::ffff:192.0.2.1",
            "1:2:3:4:5:6:192.0.2.1", "fe80::1%eth0", "fe80::1%2", "2001:DB8::A",
        ])
    func hosts(host: String) throws {
        let address = try NetAddress(host: host, port: 8008)
        #expect(address.host == host)
        #expect(try NetAddress(hostAndPort: address.hostAndPort) == address)
        #expect(try NetAddress(hostAndPort: "\(host):8008") == address)
        #expect(address.description == "net:\(host):8008")
    }

    @Test(
        "refuse hosts that are neither",
        arguments: [
            ".", "a..b", ".a", "a b", "a/b", "1.2.3", "256.1.1.1", "1.2.3.4.5", "010.0.0.1", "1.2.3.+4",
            "123",
            "a.1", "é.example", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::",
            "g::1", "::1%",
            "::1%a b", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:5", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "[::1",
            "::1]",
            "[]", "[", "[localhost]", "[[::1]]", "user@host", "*", "a:b", "::1\n", "host\u{301}",
            "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
        ])
    func refusedHosts(host: String) {
        #expect(throws: AddressError.badHost) { try NetAddress(host: host, port: 8008) }
    }

    @Test("bound a host and its labels")
    func longHosts() throws {
        let label = String(repeating: "a", count: 63)
        let longest = "\(label).\(label).\(label).\(String(repeating: "a", count: 61))"
        #expect(longest.utf8.count == 253)
        #expect(try NetAddress(host: longest, port: 1).host == longest)
        for host in [longest + "a", label + "a", String(repeating: "1:", count: 2000)] {
            #expect(throws: AddressError.badHost) { try NetAddress(host: host, port: 1) }
        }
    }

    @Test("read an empty host as localhost and take brackets off")
    func normalisation() throws {
        #expect(try NetAddress(host: "", port: 8008).description == "net:localhost:8008")
        let bracketed = try NetAddress(hostAndPort: "[2001:db8::1]:8008")
        #expect(bracketed.host == "2001:db8::1")
        #expect(bracketed.description == "net:2001:db8::1:8008")
        #expect(bracketed.hostAndPort == "[2001:db8::1]:8008")
    }

    @Test(
        "refuse ports that are none",
        arguments: [
            "a", "a:", "a:65536", "a:-1", "a:+1", "a:08", "a: 8", "a:8 ", "a:8008\n", "a:٨", "a:1e3", "",
            "a:0",
        ])
    func refusedPorts(text: String) {
        #expect(throws: AddressError.badPort) { try NetAddress(hostAndPort: text) }
    }

    @Test(
        "listen where they are told",
        arguments: [
            ("[::1]:8008", "::1", 8008, "[::1]:8008"), ("::1:8008", "::1", 8008, "[::1]:8008"),
            (":8008", "localhost", 8008, "localhost:8008"), ("localhost:0", "localhost", 0, "localhost:0"),
            ("8008", "localhost", 8008, "localhost:8008"), ("0", "localhost", 0, "localhost:0"),
            ("*:8008", nil, 8008, "*:8008"), ("*:0", nil, 0, "*:0"),
            ("0.0.0.0:80", "0.0.0.0", 80, "0.0.0.0:80"),
            ("[::]:8008", "::", 8008, "[::]:8008"), (":::8008", "::", 8008, "[::]:8008"),
        ] as [(String, String?, UInt16, String)])
    func listening(text: String, host: String?, port: UInt16, printed: String) throws {
        let address = try ListenAddress(text)
        #expect(address.host == host)
        #expect(address.port == port)
        #expect(address.description == printed)
        #expect(try ListenAddress(printed) == address)
    }

    @Test(
        "refuse to listen where nobody can tell where",
        arguments: ["[::1]", "::8008", "**:1", "a b:1", "[*]:1", "", "65536", "080"])
    func refusedListening(text: String) {
        #expect(throws: AddressError.self) { try ListenAddress(text) }
    }
}
