internal import Blinding
internal import Foundation
import Invitation
internal import Keyring
internal import Multiserver
internal import TypedSodium

/// A home folder with a keyring of many friends, each of whom is found at the same few portals.
struct KeyringWorld {
    /// How long an index took, and what it takes.
    struct Build {
        let time: Duration
        let byteCount: Int

        func row(_ name: String) -> Row {
            Row(
                name: name,
                figures: [
                    Figure("time", "ms", time / .milliseconds(1)),
                    Figure("memory", "MiB", Double(byteCount) / 1_048_576),
                ], group: "built")
        }
    }

    let friendCount: Int
    private let stage: Stage
    private let home: String
    private let keyring: Keyring
    private let now: UInt64
    private let keys: [PublicKey]
    private let portals: [PortalAddress]
    private let chainKeyBytes: [UInt8]

    /// Makes the home folder and fills the keyring.
    init(_ stage: Stage, friendCount: Int) async throws {
        self.stage = stage
        self.friendCount = friendCount
        home = try stage.makeFolder("keyring")
        let child = try stage.launch("id", try stage.cway(), ["id", "--home", home])
        let owner = try PublicKey(id: try await child.firstLine())
        now = UInt64(Date().timeIntervalSince1970)
        // Random bytes: everything that is measured hashes the keys, and nothing calculates with them.
        keys = (0..<friendCount).map { _ in PublicKey(Self.random()) }
        portals = try (0..<KeyringSuite.portalCount).map { number in
            try PortalAddress(
                key: PortalKey(PublicKey(Self.random())), host: "portal\(number).example", port: 8008,
                isOpen: false)
        }
        chainKeyBytes = Random.bytes(SecretKey.byteCount)
        keyring = try Keyring(folder: home, owner: EndpointKey(owner), now: now)
        let grant = try CircleGrant(
            name: "home", generation: 1, epoch: Epoch(unixSeconds: now),
            key: SecretKey(copying: chainKeyBytes.span), portals: portals)
        try keyring.friends.populate(keys, with: grant)
    }

    private static func random() -> FixedBytes<32> {
        let bytes = Random.bytes(32)
        return FixedBytes(bytes.span, at: 0)
    }

    /// Removes what can be large, before the next one is made.
    func remove() { try? FileManager.default.removeItem(atPath: home) }

    /// Builds the index that a node keeps in memory.
    func buildIndex() throws -> (AddressIndex, Build) {
        let before = ProcessTable.ownByteCount
        var index: AddressIndex?
        let time = try ContinuousClock().measure {
            index = try AddressIndex(keyring: keyring, epoch: Epoch(unixSeconds: now))
        }
        guard let index, index.count >= friendCount * KeyringSuite.portalCount else {
            throw Stage.Failure(description: "the index knows too little")
        }
        return (index, Build(time: time, byteCount: ProcessTable.ownByteCount - before))
    }

    /// Addresses of friends drawn at random, at portals drawn at random.
    func addresses(_ form: AddressForm, count: Int) throws -> [BlindedAddress] {
        let addressing = try CircleAddressing(
            chainKey: SecretKey(copying: chainKeyBytes.span), epoch: Epoch(unixSeconds: now))
        return try (0..<count).map { _ in
            let (key, portal) = (keys[.random(in: keys.indices)], portals[.random(in: portals.indices)])
            let target = EndpointKey(key)
            switch form {
            case .hmac1:
                let value = Hmac1Value(target: target, portal: portal.key)
                return .hmac1(value.bytes, try TunnelTarget(key: key))
            case .circle1:
                return .circle1(
                    addressing.value(target: target, portal: portal.key).bytes, try TunnelTarget(key: key))
            case .sealed: return .sealed(addressing.sealedValue(target: target, portal: portal.key).bytes)
            }
        }
    }

    /// What a user waits for who asks once.
    func resolveInProcess(_ address: BlindedAddress) async throws {
        try await stage.run(try stage.cway(), ["resolve", "\(address)", "--home", home])
    }

    /// Redeems an invite with enough uses, one friend after the other.
    func redeem(for time: Duration) throws -> TimeScore {
        let invite = InviteKey(
            try keyring.invites.create(
                InviteDraft(label: "benchmark", uses: InviteDraft.useLimit), portals: portals,
                seed: try SecretKey.random(), now: now
            ).identity().publicKey)
        var score = TimeScore(unit: "µs", nanoseconds: 1000)
        score.beginRound()
        let clock = ContinuousClock()
        let end = clock.now + time
        for _ in 0..<InviteDraft.useLimit where clock.now < end {
            let friend = FriendKey(try Identity.random().publicKey)
            let start = clock.now
            guard try keyring.invites.redeem(invite, by: friend, now: now) == .admitted(isFresh: true) else {
                throw Stage.Failure(description: "an invite was refused")
            }
            score.record(clock.now - start)
        }
        return score
    }
}
