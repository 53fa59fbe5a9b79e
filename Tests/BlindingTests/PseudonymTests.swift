import Blinding
import TestSupport
import Testing
import TypedSodium

@Suite("Pseudonym")
struct PseudonymTests {
    @Test("is as computed independently")
    func vector() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let pseudonym = try Pseudonym.identity(of: people.endpoint, at: people.portalKey)
        #expect(pseudonym.publicKey.bytes.array == vectors.pseudonym.public_key.bytes)
        let grown = try vectors.pseudonym.seed.identity()
        #expect(pseudonym.publicKey == grown.publicKey)
    }

    @Test("is the same at one portal, another one at any other and for anybody else")
    func identities() throws {
        var random = SeededRandom(seed: 9)
        let people = [try random.identity(), try random.identity()]
        let portals = [try random.portal(), try random.portal(), PortalKey(people[0].publicKey)]
        var keys: Set<PublicKey> = Set(people.map(\.publicKey))
        for person in people {
            for portal in portals {
                let pseudonym = try Pseudonym.identity(of: person, at: portal)
                #expect(try Pseudonym.identity(of: person, at: portal).publicKey == pseudonym.publicKey)
                keys.insert(pseudonym.publicKey)
            }
        }
        #expect(keys.count == 2 + 6)
    }

    @Test("signs like any identity")
    func signing() throws {
        let people = try People(Vectors.load())
        let pseudonym = try Pseudonym.identity(of: people.endpoint, at: people.portalKey)
        let message: [UInt8] = [1, 2, 3]
        let signature = pseudonym.sign(message.span)
        let isVerified = pseudonym.publicKey.verifies(signature, of: message.span)
        #expect(isVerified)
        let isRealKeys = people.endpoint.publicKey.verifies(signature, of: message.span)
        #expect(!isRealKeys)
    }
}
