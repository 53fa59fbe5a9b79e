public import Blinding
public import Keyring
public import Logging
internal import Multiserver
internal import MuxRPC
public import NIOCore
public import SecretHandshake
public import Sodium
internal import Transport

/// Redeems an invite: afterwards its owner's node is a friend that this one reaches.
///
/// The relation is stored first, marked pending, with the invite. Whatever breaks after that, the same call goes on: it
/// asks for the friend's grant under this node's own key, which succeeds where the answer to an earlier redeem
/// was lost, and only then redeems (again).
public struct Joiner: Sendable {
    /// How often a first visit is tried after the owner's yes: its portals need a moment to learn of the new friend.
    private static let visitTries = 6
    private static let visitPause = Duration.milliseconds(500)
    /// How long a change in a keyring takes to be announced at most.
    private static let announcingTime = Duration.milliseconds(1_500)

    private let identity: Identity
    private let keyring: Keyring
    private let network: NetworkIdentifier
    private let outerKey: Caller.OuterKey
    private let logger: Logger

    /// A joiner for this node's identity.
    public init(
        identity: Identity, keyring: Keyring, network: NetworkIdentifier,
        outerKey: Caller.OuterKey = .fresh, logger: Logger
    ) {
        self.identity = identity
        self.keyring = keyring
        self.network = network
        self.outerKey = outerKey
        self.logger = logger
    }

    /// Redeems, or goes on where an earlier call stopped.
    ///
    /// - Returns: the friend as it is stored now.
    /// - Throws: ``JoinFailure``, or `KeyringError`.
    public func join(
        _ code: borrowing InviteCode, name: String?, on eventLoop: any EventLoop
    ) async throws -> Friend {
        let now = WallClock.seconds()
        let invite = try code.identity()
        let resumes = try isPending(invite, of: code.endpoint)
        let friend = try keyring.beginJoin(code, name: name, now: now)
        if resumes, (try? await visit(friend.key, through: code.portals, on: eventLoop)) != nil {
            return try finished(friend.key)
        }
        try await redeem(with: invite, of: code.endpoint, through: code.portals, on: eventLoop)
        try await firstVisit(to: friend.key, through: code.portals, on: eventLoop)
        return try finished(friend.key)
    }

    /// Whether an earlier call has begun to redeem this very invite.
    private func isPending(_ invite: Identity, of endpoint: EndpointKey) throws -> Bool {
        guard let pending = try keyring.pendingInvite(of: endpoint) else { return false }
        return try pending.identity().publicKey == invite.publicKey
    }

    private func finished(_ key: PublicKey) throws -> Friend {
        try keyring.completeJoin(of: EndpointKey(key), now: WallClock.seconds())
        guard let friend = try keyring.friend(key) else { throw JoinFailure.refused(.removed) }
        return friend
    }

    // MARK: Redeeming

    private func redeem(
        with invite: Identity, of endpoint: EndpointKey, through portals: [InvitePortal],
        on eventLoop: any EventLoop
    ) async throws {
        let connection: PeerConnection
        do {
            connection = try await call(endpoint, with: invite, through: portals, on: eventLoop)
        } catch {
            throw JoinFailure.unreachable(HopFailure(error))
        }
        let reply: Reply
        do {
            reply = try await connection.link.call(
                ["invite", "use"], [try argument(for: endpoint, invite: invite)], on: connection.session)
        } catch {
            await connection.close()
            throw JoinFailure.unreachable(.connectionLost("the connection broke before the answer"))
        }
        await connection.close()
        guard case .failure(let error) = reply else { return }
        let failure = JoinFailure(answer: error.message)
        if case .refused = failure { try keyring.abandonJoin(of: endpoint) }
        throw failure
    }

    /// Calls the owner's node under the invite's key.
    ///
    /// An invite that was made a moment ago is on its way to the portals, which take one announcement per second.
    private func call(
        _ endpoint: EndpointKey, with invite: Identity, through portals: [InvitePortal],
        on eventLoop: any EventLoop
    ) async throws -> PeerConnection {
        let route = try Directory.route(to: endpoint.publicKey, through: portals, as: invite)
        var caller = Caller(identity: invite, outerKey: outerKey, network: network)
        // A portal for members only knows this node, not its invites.
        caller.holder = identity
        do {
            return try await caller.connect(route, on: eventLoop)
        } catch HopFailure.friendAbsent {
            try await Task.sleep(for: Self.announcingTime)
            return try await caller.connect(route, on: eventLoop)
        }
    }

    private func argument(for endpoint: EndpointKey, invite: Identity) throws -> JSONValue {
        let signature = try RedeemMessage.signature(
            of: identity, endpoint: endpoint, invite: InviteKey(invite.publicKey))
        let digits = TextEncoding.base64.encode(signature.bytes.storage.span)
        return [
            "feed": .string(identity.publicKey.id),
            "signature": .string(String(decoding: digits, as: UTF8.self)),
        ]
    }

    // MARK: The first visit

    private func firstVisit(
        to friend: PublicKey, through portals: [InvitePortal], on eventLoop: any EventLoop
    ) async throws {
        var failure: HopFailure?
        for attempt in 0..<Self.visitTries {
            if attempt > 0 { try await Task.sleep(for: Self.visitPause) }
            do {
                return try await visit(friend, through: portals, on: eventLoop)
            } catch {
                failure = HopFailure(error)
            }
        }
        throw JoinFailure.notYetReachable(failure ?? .friendAbsent)
    }

    /// Connects as this node itself, and takes the grant.
    private func visit(
        _ friend: PublicKey, through portals: [InvitePortal], on eventLoop: any EventLoop
    ) async throws {
        let route = try Directory.route(to: friend, through: portals, as: identity)
        let caller = Caller(identity: identity, outerKey: outerKey, network: network)
        let connection = try await caller.connect(route, on: eventLoop)
        let visit = FriendVisit(keyring: keyring, friend: friend, logger: logger)
        let outcome: GrantOutcome?
        do {
            outcome = try await visit.fetchGrant(over: connection)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
        guard outcome != nil else {
            throw HopFailure.connectionLost("the friend's node gave no grant")
        }
    }
}
