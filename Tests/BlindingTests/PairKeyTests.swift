import Blinding
import TestSupport
import Testing
import TypedSodium

@Suite("PairKey")
struct PairKeyTests {
    @Test("is as computed independently, from both sides, for a friend and for an invite")
    func vector() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        for (key, expected) in [
            (people.friend, vectors.pair.friend), (people.invite, vectors.pair.invite),
        ] {
            let known = try PairKey(ghost: expected.secret())
            let atEndpoint = try PairKey(endpoint: people.endpoint, friend: FriendKey(key.publicKey))
            let atFriend = try PairKey(friend: key, endpoint: people.endpointKey)
            let areEqual = known.isEqual(to: atEndpoint) && known.isEqual(to: atFriend)
            #expect(areEqual)
        }
    }

    @Test("is another one with the roles reversed")
    func reversedRoles() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let reversed = try PairKey(
            endpoint: people.friend, friend: FriendKey(people.endpoint.publicKey))
        let isAsComputed = reversed.isEqual(
            to: try PairKey(ghost: vectors.pair.reversed_roles_must_not_match.secret()))
        #expect(isAsComputed)
        let isSame = reversed.isEqual(
            to: try PairKey(endpoint: people.endpoint, friend: people.friendKey))
        #expect(!isSame)
    }

    @Test("tokens are as computed independently, in both text forms")
    func tokens() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let friend = try PairKey(friend: people.friend, endpoint: people.endpointKey)
        let invite = try PairKey(endpoint: people.endpoint, friend: people.inviteKey.asFriend)
        for day in vectors.tokens {
            let token = friend.token(portal: people.portalKey, epoch: Epoch(day.epoch))
            #expect(token.bytes.array == day.friend.bytes)
            #expect(token.target == day.friend_text)
            #expect(
                invite.token(portal: people.portalKey, epoch: Epoch(day.epoch)).bytes.array
                    == day.invite.bytes)
        }
    }

    @Test("both sides agree for 200 pairs, and no two tokens of anybody, day or portal are the same")
    func property() throws {
        var random = SeededRandom(seed: 200)
        let portals = [try random.portal(), try random.portal()]
        let days = Epoch(20_780).window
        var seen: Set<PairToken> = []
        var count = 0
        for _ in 0..<200 {
            let (one, other) = (try random.identity(), try random.identity())
            for (endpoint, friend) in [(one, other), (other, one)] {
                let atEndpoint = try PairKey(endpoint: endpoint, friend: FriendKey(friend.publicKey))
                let atFriend = try PairKey(friend: friend, endpoint: EndpointKey(endpoint.publicKey))
                let areEqual = atEndpoint.isEqual(to: atFriend)
                #expect(areEqual)
                for portal in portals {
                    for day in days {
                        let token = atEndpoint.token(portal: portal, epoch: day)
                        #expect(token == atFriend.token(portal: portal, epoch: day))
                        seen.insert(token)
                        count += 1
                    }
                }
            }
        }
        #expect(count == 200 * 2 * 2 * 3)
        #expect(seen.count == count)
    }

    @Test("nobody is their own friend")
    func ownKey() throws {
        let people = try People(Vectors.load())
        #expect(throws: BlindingError.sameKey) {
            _ = try PairKey(
                endpoint: people.endpoint, friend: FriendKey(people.endpoint.publicKey))
        }
        #expect(throws: BlindingError.sameKey) {
            _ = try PairKey(friend: people.endpoint, endpoint: people.endpointKey)
        }
    }

    @Test("refuses points of small order on both sides")
    func lowOrder() throws {
        let own = try People(Vectors.load()).endpoint
        let points = try Vectors.lowOrderPoints()
        #expect(points.count == 14)
        for point in points { Self.expectUnusable(point, own: own) }
    }

    /// The friend's key of the vectors with each of the seven points of small order added, then no point at all.
    ///
    /// X25519 would agree on the same secret with all of the first seven.
    @Test(
        "refuses keys outside of the main subgroup, and what is no point",
        arguments: [
            "dbd697ce79a52008645c829c486080be8caa8d0906bf660842e1a690372135a9",
            "83b2b4b1e7b058cd763e6a37923519f5cf2f771e31e9b08d79d2254483eea605",
            "9d5df3aea2f688c742723bdc3a60343e85d7fa7a97da795042a869dad8006935",
            "4722362f0802d48e352aac78f8974879dbf0da40c29e39532ebeeb9b93399aff",
            "12296831865adff79ba37d63b79f7f41735572f6f94099f7bd1e596fc8deca56",
            "6a4d4b4e184fa73289c195c86dcae60a30d088e1ce164f72862ddabb7c1159fa",
            "50a20c515d097738bd8dc423c59fcbc17a280585682586afbd57962527ff96ca",
            "0200000000000000000000000000000000000000000000000000000000000000",
        ] as [Hex])
    func torsioned(_ key: Hex) throws {
        Self.expectUnusable(PublicKey(try key.fixed()), own: try People(Vectors.load()).endpoint)
    }

    @Test("a ghost is the pair of its bytes")
    func ghost() throws {
        var random = SeededRandom(seed: 3)
        let secret = try random.secret()
        let portal = try random.portal()
        let ghost = try PairKey(ghost: secret)
        let isSame = ghost.isEqual(to: try PairKey(ghost: secret))
        #expect(isSame)
        let isOther = ghost.isEqual(to: try PairKey(ghost: random.secret()))
        #expect(!isOther)
        #expect(ghost.token(portal: portal, epoch: Epoch(1)) != ghost.token(portal: portal, epoch: Epoch(2)))
    }

    private static func expectUnusable(_ key: PublicKey, own: Identity) {
        #expect(throws: BlindingError.unusableKey) { _ = try PairKey(endpoint: own, friend: FriendKey(key)) }
        #expect(throws: BlindingError.unusableKey) {
            _ = try PairKey(friend: own, endpoint: EndpointKey(key))
        }
    }
}
