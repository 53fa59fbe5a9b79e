import Multiserver
import Testing

@Suite("The addresses of one portal")
struct AlternativesTests {
    private let key = "51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="
    private let other = "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s="

    @Test("stand with semicolons between, each once, in their order")
    func list() throws {
        let text = "net:b.example:8008~shs:\(key);net:a.example:8009~shs:\(key);net:b.example:8008~shs:\(key)"
        let found = try PeerAddress.alternatives(in: text)
        #expect(found.map(\.net.hostAndPort) == ["b.example:8008", "a.example:8009"])
        #expect(try PeerAddress.alternatives(in: "net:a.example:8008~shs:\(key)").count == 1)
        #expect(try PeerAddress.alternatives(in: "a.example:8008:@\(key).ed25519").count == 1)
    }

    @Test("are passed over where they are not spoken here, as in the addresses of other programs")
    func others() throws {
        let text = "ws://a.example~shs:\(key)"
        #expect(throws: AddressError.self) { try PeerAddress.alternatives(in: text) }
        let mixed = "ws:a.example:80~shs:\(key);net:a.example:8008~shs:\(key);onion:x.onion:1~shs:\(key)"
        #expect(try PeerAddress.alternatives(in: mixed).map(\.net.hostAndPort) == ["a.example:8008"])
    }

    @Test("have one key, and are eight at most")
    func limits() {
        #expect(throws: AddressError.severalKeys) {
            try PeerAddress.alternatives(in: "net:a:1~shs:\(key);net:b:1~shs:\(other)")
        }
        let nine = (1...9).map { "net:a:\($0)~shs:\(key)" }.joined(separator: ";")
        #expect(throws: AddressError.tooManyAlternatives(9, limit: 8)) {
            try PeerAddress.alternatives(in: nine)
        }
    }
}
