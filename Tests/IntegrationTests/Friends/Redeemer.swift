import Blinding
import Foundation
import Invitation
import Keyring
import Logging
import NIOPosix
import Node
import SecretHandshake
import TypedSodium

/// Somebody with a keyring of their own who redeems an invite, inside the process of the test.
struct Redeemer: Sendable {
    /// How it ended.
    enum Outcome: Equatable {
        case admitted
        case usedUp
    }

    let identity: Identity
    private let keyring: Keyring
    private let joiner: Joiner

    /// Makes a keyring in a folder that is made for it.
    init(folder: String) throws {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        identity = try .random()
        keyring = try Keyring(
            folder: folder, owner: EndpointKey(identity.publicKey), now: UInt64(Date().timeIntervalSince1970))
        var logger = Logger(label: "redeemer")
        logger.logLevel = .critical
        var settings = Settings()
        settings.allowLocal = true  // every portal of a test is on this machine
        joiner = Joiner(identity: identity, keyring: keyring, settings: settings, logger: logger)
    }

    /// Redeems once.
    ///
    /// - Throws: `JoinFailure` where the same call has to be made again.
    func redeem(_ code: String) async throws -> Outcome {
        do {
            _ = try await joiner.join(
                try InviteCode(code), name: nil, on: MultiThreadedEventLoopGroup.singleton.next())
            return .admitted
        } catch JoinFailure.refused(.usedUp) {
            return .usedUp
        }
    }

    /// Whether this side has a friend who is reached and to whom nothing is owed.
    var hasFriend: Bool {
        get throws {
            try keyring.friends.all().contains { $0.reach?.generation != nil && $0.reach?.isPending == false }
        }
    }
}
