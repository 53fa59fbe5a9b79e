import Blinding
import TestSupport
import Testing
import TypedSodium

@Suite("Hmac1Value")
struct Hmac1ValueTests {
    @Test("is as computed independently")
    func vector() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let value = Hmac1Value(target: people.endpointKey, portal: people.portalKey)
        #expect(value.bytes.array == vectors.hmac1.value.bytes)
        #expect(value.matches(target: people.endpointKey, portal: people.portalKey))
        let text = TextEncoding.base64.encode(value.bytes.storage.span)
        #expect(vectors.hmac1.address.hasPrefix("tunnel:\(String(decoding: text, as: UTF8.self)).hmac1:"))
    }

    @Test("is another one with target and portal swapped")
    func swapped() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let (target, portal) = (people.endpointKey, people.portalKey)
        let swapped = Hmac1Value(
            target: EndpointKey(portal.publicKey), portal: PortalKey(target.publicKey))
        #expect(swapped.bytes.array == vectors.hmac1.swapped_must_not_match.bytes)
        #expect(swapped != Hmac1Value(target: target, portal: portal))
        #expect(!swapped.matches(target: target, portal: portal))
    }

    @Test("matches no other portal, no other target, and no other value")
    func others() throws {
        let people = try People(Vectors.load())
        let value = Hmac1Value(target: people.endpointKey, portal: people.portalKey)
        var random = SeededRandom(seed: 1)
        for _ in 0..<100 {
            let other = PublicKey(try random.key())
            #expect(!value.matches(target: EndpointKey(other), portal: people.portalKey))
            #expect(!value.matches(target: people.endpointKey, portal: PortalKey(other)))
        }
        for bit in 0..<256 {
            var bytes = value.bytes
            bytes.storage[bit / 8] ^= 1 << (bit % 8)
            #expect(!Hmac1Value(bytes).matches(target: people.endpointKey, portal: people.portalKey))
            #expect(Hmac1Value(bytes) != value)
        }
    }
}
