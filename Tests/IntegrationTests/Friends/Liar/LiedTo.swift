import Blinding
import Invitation
import Keyring
import Multiserver
import Node
import PeerSupport
import PortalCore
import Testing
import TypedSodium

/// A hidden owner at a portal that lies, with friends whose keys the test holds.
struct LiedTo: Sendable {
    let stage: Stage
    let liar: LyingPortal
    let server: CwayProcess
    /// Who serves; the portal has to guess this key.
    let owner: Identity
    let keyring: Keyring
    let friends: [Identity]

    /// Makes the owner, its friends and an invite, and serves; whoever else is needed comes by invites of its own.
    static func start(
        on stage: Stage, at liar: LyingPortal, friendCount: Int = 2,
        alsoAt portals: [TestNetwork.Portal] = [],
        prepare: (Stage) async throws -> Void = { _ in }
    ) async throws -> LiedTo {
        let home = FriendNetwork.owner
        for address in [liar.address] + portals.map(\.address) {
            try await stage.run(home: home, ["portals", "add", address])
        }
        let owner = try SecretFile(in: Home(path: stage.path(home), environment: [:])).load()
        let keyring = try Keyring(
            folder: stage.path(home), owner: EndpointKey(owner.publicKey), now: WallClock.seconds())
        let friends = try (0..<friendCount).map { _ in try Identity.random() }
        for friend in friends {
            try keyring.friends.admit(friend.publicKey, name: nil, services: .all, now: WallClock.seconds())
        }
        let place = try PortalAddress(
            key: PortalKey(liar.peer.key), host: liar.peer.net.host, port: liar.peer.net.port, isOpen: false)
        _ = try keyring.invites.create(
            InviteDraft(label: "nobody's yet"), portals: [place], seed: .random(), now: WallClock.seconds())
        try await prepare(stage)
        let echo = try await stage.service(.echo).port
        let server = try stage.cway(
            home: home, ["serve", "--log-level", "trace", "--service", "echo=127.0.0.1:\(echo)"])
        return LiedTo(
            stage: stage, liar: liar, server: server, owner: owner, keyring: keyring, friends: friends)
    }

    /// Runs a body with a fresh one, whose tokens the portal has.
    static func run(
        friendCount: Int = 2, _ body: (LiedTo, LyingPortal.Announcement) async throws -> Void
    ) async throws {
        try await Stage.run { stage in
            try await LyingPortal.run { liar in
                let world = try await start(on: stage, at: liar, friendCount: friendCount)
                try await body(world, try await liar.announcement())
            }
        }
    }

    /// The key that the portal sees of the owner.
    var pseudonym: PublicKey {
        get throws { try Pseudonym.identity(of: owner, at: PortalKey(liar.identity.publicKey)).publicKey }
    }

    /// The tokens that are a friend's, or the ghosts', where the friend is `nil`.
    func tokens(of friend: Identity?) throws -> [PairToken] {
        let entries = Entries(identity: owner)
        _ = try entries.update(from: keyring)
        let window = Epoch(unixSeconds: WallClock.seconds()).window
        return entries.tokens(portal: PortalKey(liar.identity.publicKey), epochs: window)
            .filter { $0.value == friend?.publicKey }.map(\.key)
    }

    /// The refusal that everybody gets who is not wanted, whatever the reason.
    static func refusal(of target: String) -> LiarCall.Outcome.Ending {
        .refused("could not connect to:\(target)")
    }
}
