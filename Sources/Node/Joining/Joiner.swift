internal import Blinding
internal import Connection
package import Invitation
package import Keyring
package import Logging
internal import Multiserver
internal import MuxRPC
package import NIOCore
internal import SecretHandshake
internal import Transport
package import TypedSodium

/// Redeems an invite: afterwards its owner's node is a friend that this one reaches.
///
/// The relation is stored first, marked pending, with the invite. Whatever breaks after that, the same call goes on: it
/// asks for the friend's grant under this node's own key, which succeeds where the answer to an earlier redeem
/// was lost, and only then redeems (again).
package struct Joiner: Sendable {
    /// How often a first visit is tried after the owner's yes: its portals need a moment to learn of the new friend.
    private static let visitTries = 6
    private static let visitPause = Duration.milliseconds(500)
    /// How long a change in a keyring takes to be announced at most.
    private static let announcingTime = Duration.milliseconds(1_500)

    private let identity: Identity
    private let keyring: Keyring
    private let settings: Settings
    private let outerKey: Caller.OuterKey
    private let logger: Logger

    private var network: NetworkIdentifier { settings.network }

    /// A joiner for this node's identity; the settings name the network, and whether the invite may lead to this machine.
    package init(
        identity: Identity, keyring: Keyring, settings: Settings, outerKey: Caller.OuterKey = .fresh,
        logger: Logger
    ) {
        self.identity = identity
        self.keyring = keyring
        self.settings = settings
        self.outerKey = outerKey
        self.logger = logger
    }

    /// Redeems, or goes on where an earlier call stopped.
    ///
    /// - Returns: the friend as it is stored now.
    /// - Throws: ``JoinFailure``, or `KeyringError`.
    package func join(
        _ code: consuming InviteCode, name: String?, on eventLoop: any EventLoop
    ) async throws -> Friend {
        let (invite, endpoint, portals) = (try code.identity(), code.endpoint, code.portals)
        let keyring = keyring
        let redeemed = consume code
        let resumes = try await Blocking.run {
            let resumes = try Self.isPending(invite, of: endpoint, in: keyring)
            try keyring.joins.begin(redeemed, name: name, now: WallClock.seconds())
            return resumes
        }
        let friend = endpoint.publicKey
        if resumes, (try? await visit(friend, through: portals, on: eventLoop)) != nil {
            return try await finished(friend)
        }
        try await redeem(with: invite, of: endpoint, through: portals, on: eventLoop)
        try await firstVisit(to: friend, through: portals, on: eventLoop)
        return try await finished(friend)
    }

    /// Whether an earlier call has begun to redeem this very invite.
    private static func isPending(
        _ invite: Identity, of endpoint: EndpointKey, in keyring: Keyring
    ) throws -> Bool {
        guard let pending = try keyring.joins.pending(of: endpoint) else { return false }
        return try pending.identity().publicKey == invite.publicKey
    }

    private func finished(_ key: PublicKey) async throws -> Friend {
        let keyring = keyring
        return try await Blocking.run {
            try keyring.joins.complete(of: EndpointKey(key), now: WallClock.seconds())
            guard let friend = try keyring.friends.find(key) else { throw JoinFailure.refused(.removed) }
            return friend
        }
    }

    /// The ways through an invite's portals, as somebody whom the owner's node knows.
    private func route(
        to target: PublicKey, through portals: [PortalAddress], as identity: Identity
    ) async throws -> Route {
        let (keyring, settings) = (keyring, settings)
        return try await Blocking.run {
            let authors = try AddressAuthors(
                settings: settings.portals, keyring: keyring, allowsLocal: settings.allowLocal)
            return try RouteResolver.route(
                to: target, through: authors.addingHosts(of: portals), namedBy: authors, as: identity)
        }
    }

    // MARK: Redeeming

    /// How long an endpoint that is busy with others of the invite is asked again.
    private static let redeemingTime = Duration.seconds(60)

    private func redeem(
        with invite: Identity, of endpoint: EndpointKey, through portals: [PortalAddress],
        on eventLoop: any EventLoop
    ) async throws {
        do {
            // An invite has few sessions at a time: who joins with two hundred others waits for its turn.
            try await BusyTime(limit: Self.redeemingTime).run { _ in
                try await redeemOnce(with: invite, of: endpoint, through: portals, on: eventLoop)
            }
        } catch let failure as HopFailure {
            throw JoinFailure.unreachable(failure)
        }
    }

    /// Redeems, or hears why not.
    ///
    /// - Throws: ``HopFailure/busy(_:)`` where the same is to be done again, and ``JoinFailure``.
    private func redeemOnce(
        with invite: Identity, of endpoint: EndpointKey, through portals: [PortalAddress],
        on eventLoop: any EventLoop
    ) async throws {
        let connection: PeerConnection
        do {
            connection = try await call(endpoint, with: invite, through: portals, on: eventLoop)
        } catch {
            let failure = HopFailure(error)
            // Said on the way as well: a portal passes few calls of one address on, a node lets few in by one invite.
            if case .busy = failure { throw failure }
            throw JoinFailure.unreachable(failure)
        }
        let reply: Reply
        do {
            reply = try await connection.link.call(
                Method.useInvite.name, [try argument(for: endpoint, invite: invite)], on: connection.session)
        } catch {
            await connection.close()
            throw JoinFailure.unreachable(.connectionLost("the connection broke before the answer"))
        }
        await connection.close()
        guard case .failure(let error) = reply else { return }
        guard !BusyTime.isBusy(error.message) else { throw HopFailure.busy(error.message) }
        let failure = JoinFailure(answer: error.message)
        if case .refused = failure {
            let keyring = keyring
            _ = try await Blocking.run { try keyring.joins.abandon(of: endpoint) }
        }
        throw failure
    }

    /// Calls the owner's node under the invite's key.
    ///
    /// An invite that was made a moment ago is on its way to the portals, which take one announcement per second.
    private func call(
        _ endpoint: EndpointKey, with invite: Identity, through portals: [PortalAddress],
        on eventLoop: any EventLoop
    ) async throws -> PeerConnection {
        let route = try await route(to: endpoint.publicKey, through: portals, as: invite)
        let caller = Caller(identity: invite, outerKey: outerKey, of: identity, network: network)
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
        to friend: PublicKey, through portals: [PortalAddress], on eventLoop: any EventLoop
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
        _ friend: PublicKey, through portals: [PortalAddress], on eventLoop: any EventLoop
    ) async throws {
        let route = try await route(to: friend, through: portals, as: identity)
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
