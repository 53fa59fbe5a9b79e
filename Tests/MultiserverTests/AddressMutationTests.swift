import Multiserver
import TestSupport
import Testing
import TypedSodium

@Suite("Addresses under mutation")
struct AddressMutationTests {
    private static let originals = [
        "net:example.com:8008~shs:\(Fixtures.target.base64)",
        "net:2001:db8::1:8008~shs:\(Fixtures.target.base64)",
        "net:[fe80::1%eth0]:8008~shs:\(Fixtures.target.base64)",
        "192.0.2.1:8008:\(Fixtures.target.id)",
        Fixtures.tunnel(),
        Fixtures.tunnel(rest: ":7"),
        Fixtures.blinded(),
        Fixtures.blinded("circle1", rest: ":7"),
        "tunnel:\(Fixtures.value).circle1",
        "ws://a:1~shs:\(Fixtures.target.base64);\(Fixtures.tunnel(rest: ":0"))",
        "ab:!!!:!;!~:x~cd;ef:",
    ]
    private static let material = Array(":;~!@[]%.-0189AZaz=+/ \u{0}\n\u{e9}".utf8) + [0x7f, 0xff, 0xcc]

    @Test("no mutation traps, and everything accepted prints and reads back equal", arguments: 0..<11)
    func mutations(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed) + 100)
        let original = Self.originals[seed % Self.originals.count]
        for _ in 0..<2_000 {
            let bytes = Self.mutated(Array(original.utf8), using: &random)
            try check(String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test("no cut of an address traps or reads as another key", arguments: originals)
    func cuts(original: String) throws {
        for count in 0...original.utf8.count {
            let cut = String(decoding: original.utf8.prefix(count), as: UTF8.self)
            try check(cut)
            guard let address = try? Address(cut) else { continue }
            #expect(address.key == Fixtures.target || address.isSealed)
        }
    }

    private func check(_ text: String) throws {
        if let list = try? AddressList(text) { #expect(list.description == text) }
        if let address = try? Address(text) {
            let printed = address.description
            #expect(try Address(printed) == address)
            #expect(try AddressList(printed).description == printed)
            #expect(!printed.contains("!"))
            // Blinded forms have one spelling; only the instance may be left out.
            if case .blinded = address, (try? MultiserverAddress(text)) != nil {
                #expect(printed == text || printed == text.replacing("~shs:", with: ":0~shs:"))
            }
        }
        if let key = try? PublicKey(id: text) { #expect(try PublicKey(id: key.id) == key) }
        if let net = try? NetAddress(hostAndPort: text) {
            #expect(try NetAddress(hostAndPort: net.hostAndPort) == net)
        }
        if let listen = try? ListenAddress(text) { #expect(try ListenAddress(listen.description) == listen) }
    }

    private static func mutated(_ original: [UInt8], using random: inout SeededRandom) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let place = Int.random(in: 0..<max(bytes.count, 1), using: &random)
            let byte = material[Int.random(in: 0..<material.count, using: &random)]
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes.insert(byte, at: min(place, bytes.count))
            case 1 where !bytes.isEmpty: bytes.remove(at: place)
            case 2 where !bytes.isEmpty: bytes[place] = byte
            case 3 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            default: bytes.append(contentsOf: bytes.suffix(place))
            }
        }
        return bytes
    }
}
