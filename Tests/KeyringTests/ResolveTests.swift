import Blinding
import Invitation
import Keyring
import Multiserver
import TestSupport
import Testing
import TypedSodium

@Suite("Resolving")
struct ResolveTests {
    private let tested: TestedKeyring
    private let keyring: Keyring
    private let now = TestedKeyring.now
    private let today = TestedKeyring.today

    /// Friends 2, 3, 4 with the key of their circle in all 32 bytes, at portals 1 to 3; friend 5 without a key.
    init() throws {
        tested = try TestedKeyring()
        keyring = try tested.open()
        try keyring.portals.add(portal(9), now: now)
        for number in 2...4 {
            try keyring.friends.addReach(to: endpointKey(number), portals: [])
            let grant = try CircleGrant(
                name: "x", generation: 1, epoch: Epoch(today.number - 1), key: Self.key(number),
                portals: (1...3).map { try portal($0) })
            _ = try keyring.circle.take(grant, from: endpointKey(number), now: now)
        }
        try keyring.friends.addReach(to: endpointKey(5), portals: [portal(1)])
    }

    private static func key(_ number: Int) throws -> SecretKey {
        try SecretKey(copying: [UInt8](repeating: UInt8(number), count: 32).span)
    }

    private typealias Values = (shown: FixedBytes<32>, sealed: FixedBytes<32>)

    /// The values of a friend's addresses of both forms, at a portal, some days from today.
    private func values(_ friend: Int, _ place: Int, _ days: Int = 0) throws -> Values {
        let key = try ChainKey(Self.key(friend), epoch: Epoch(today.number - 1))
        let addressing = try key.addressing(at: Epoch(UInt64(Int(today.number) + days)))
        return try Self.values(addressing, endpointKey(friend), portal(place).key)
    }

    private static func values(
        _ addressing: borrowing CircleAddressing, _ target: EndpointKey, _ portal: PortalKey
    ) -> Values {
        (
            addressing.value(target: target, portal: portal).bytes,
            addressing.sealedValue(target: target, portal: portal).bytes
        )
    }

    /// The value of a friend's sealed address.
    private func sealed(_ friend: Int, _ place: Int, _ days: Int = 0) throws -> FixedBytes<32> {
        try values(friend, place, days).sealed
    }

    private func target(_ number: Int) throws -> TunnelTarget {
        try TunnelTarget(key: person(number).publicKey)
    }

    /// What both the one-shot way and the index say.
    private func resolve(_ address: BlindedAddress) throws -> Resolution? {
        let oneShot = try keyring.circle.resolve(address, now: now)
        let index = try AddressIndex(keyring: keyring, epoch: today)
        #expect(index.resolve(address) == oneShot)
        return oneShot
    }

    @Test("addresses of yesterday, today and tomorrow are resolved in both forms, at every portal")
    func circle() throws {
        for friend in 2...4 {
            for place in 1...3 {
                for days in -1...1 {
                    let (shown, sealed) = try values(friend, place, days)
                    let expected = try Resolution(target: endpointKey(friend), portal: portal(place))
                    #expect(try resolve(.sealed(sealed)) == expected)
                    #expect(try resolve(.circle1(shown, target(friend))) == expected)
                    // Under another's name it is nobody's.
                    #expect(try resolve(.circle1(shown, target(friend == 4 ? 2 : friend + 1))) == nil)
                    #expect(try resolve(.circle1(shown, target(77))) == nil)
                    // Nor in the other form: who sees both on one day cannot tell that they are one node's.
                    #expect(try resolve(.sealed(shown)) == nil)
                    #expect(try resolve(.circle1(sealed, target(friend))) == nil)
                }
                #expect(try resolve(.sealed(sealed(friend, place, 2))) == nil)
            }
            #expect(try resolve(.sealed(sealed(friend, 4))) == nil, "a portal that no grant named")
        }
    }

    @Test("the owner's own addresses are resolved")
    func own() throws {
        let addressing = try keyring.circle.ownAddressing(at: today)
        let (shown, sealed) = Self.values(addressing, tested.endpoint, try portal(9).key)
        let expected = Resolution(target: tested.endpoint, portal: try portal(9))
        #expect(try resolve(.sealed(sealed)) == expected)
        #expect(try resolve(.circle1(shown, TunnelTarget(key: tested.owner.publicKey))) == expected)
    }

    @Test("hmac1 is resolved among the portals that the target named, with a key or without")
    func hmac1() throws {
        for friend in 2...5 {
            for place in 1...4 {
                let value = try Hmac1Value(target: endpointKey(friend), portal: portal(place).key).bytes
                let isNamed = place == 1 || friend < 5 && place < 4
                let expected =
                    try isNamed ? Resolution(target: endpointKey(friend), portal: portal(place)) : nil
                #expect(try resolve(.hmac1(value, target(friend))) == expected)
                // Another form with the same value is another address.
                #expect(try resolve(.sealed(value)) == nil)
                #expect(try resolve(.circle1(value, target(friend))) == nil)
            }
        }
        let (shown, sealed) = try values(2, 1)
        #expect(try resolve(.hmac1(shown, target(2))) == nil)
        #expect(try resolve(.hmac1(sealed, target(2))) == nil)
    }

    @Test("random values, and values with one bit changed, are nobody's")
    func strangers() throws {
        var random = SeededRandom(seed: 4)
        let index = try AddressIndex(keyring: keyring, epoch: today)
        let known = try sealed(2, 1)
        for bit in 0..<256 {
            var changed = known
            changed.storage[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(index.resolve(.sealed(changed)) == nil)
        }
        for _ in 0..<1_000 { #expect(index.resolve(.sealed(try FixedBytes(random.bytes(32)))) == nil) }
    }

    @Test("the keyring of another resolves none of them")
    func swappedKeyrings() throws {
        let other = try TestedKeyring(owner: 8)
        let theirs = try other.open()
        try theirs.friends.addReach(to: endpointKey(2), portals: [portal(1), portal(2), portal(3)])
        for friend in 2...4 {
            let (shown, sealed) = try values(friend, 1)
            #expect(try theirs.circle.resolve(.sealed(sealed), now: now) == nil)
            #expect(try theirs.circle.resolve(.circle1(shown, target(friend)), now: now) == nil)
        }
        let own = try keyring.circle.ownAddressing(at: today)
            .sealedValue(target: tested.endpoint, portal: portal(9).key).bytes
        #expect(try theirs.circle.resolve(.sealed(own), now: now) == nil)
    }

    @Test("an index knows seven values for each pair, and an empty one answers nothing")
    func counts() throws {
        // Three friends and the owner with keys; one friend without. The owner's key cannot tell yesterday.
        #expect(try AddressIndex(keyring: keyring, epoch: today).count == 3 * 3 * 7 + 5 + 1)
        let empty = try TestedKeyring(owner: 8)
        let index = try AddressIndex(keyring: empty.open(), epoch: today)
        #expect(try index.count == 0 && index.resolve(.sealed(sealed(2, 1))) == nil)
    }

    @Test("a resolver answers from the former index until the next one is there")
    func resolver() throws {
        let resolver = Resolver()
        let address = try BlindedAddress.sealed(sealed(2, 1))
        #expect(resolver.resolve(address) == nil && resolver.epoch == nil && resolver.sequence == nil)
        try resolver.rebuild(from: keyring, now: now)
        #expect(try resolver.sequence == keyring.sequence() && resolver.epoch == today)
        try keyring.friends.remove(person(2).publicKey, now: now)
        #expect(resolver.resolve(address) != nil)
        try resolver.rebuild(from: keyring, now: now)
        #expect(resolver.resolve(address) == nil)
        #expect(try keyring.circle.resolve(address, now: now) == nil)
    }
}
