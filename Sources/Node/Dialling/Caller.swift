internal import Blinding
internal import Connection
package import Multiserver
package import NIOCore
internal import PortalCore
package import SecretHandshake
package import Transport
package import Tunnel
package import TypedSodium

/// Who dials, and as whom.
package struct Caller: Sendable {
    /// The key that portals see, decided before dialling and whatever a portal says.
    package enum OuterKey: Sendable {
        /// A fresh one for each connection.
        case fresh
        /// Always the same at one portal, unlinkable to any other; for portals that admit members only.
        case pseudonym
        /// The key that friends know.
        case real
    }

    /// The key that targets know.
    package var identity: Identity
    /// The key that portals see.
    package var outerKey: OuterKey
    /// The network that both handshakes speak.
    package var network: NetworkIdentifier
    /// How whoever may be at a limit is asked again.
    package var busyTime = BusyTime()
    /// Whose pseudonym, or key, portals see where it is not a fresh one: an invite's reader is the member, not the invite.
    private let node: Identity

    /// A caller; it shows its portals fresh keys unless told otherwise, then those of `node`, which is the caller itself
    /// unless it calls with an invite.
    package init(
        identity: Identity, outerKey: OuterKey = .fresh, of node: Identity? = nil, network: NetworkIdentifier
    ) {
        self.identity = identity
        self.outerKey = outerKey
        self.node = node ?? identity
        self.network = network
    }

    /// Connects along a route and stands in a session with the target.
    ///
    /// - Throws: ``HopFailure``, of the portal where it got furthest.
    package func connect(_ route: Route, on eventLoop: any EventLoop) async throws -> PeerConnection {
        switch route {
        case .direct(let peer):
            // It may be a portal, which has no business with the key that targets know.
            let link = try await busyTime.run { _ in try await connect(toPortal: peer, on: eventLoop) }
            return PeerConnection(link: link, to: peer)
        case .tunnel(let target, let ways):
            let race = PortalRace(ways: ways) { way in
                try await busyTime.run { asking in
                    try await connect(to: target, along: way, asking: &asking, on: eventLoop)
                }
            } close: {
                await $0.close()
            }
            return try await race.run()
        }
    }

    /// Connects to a portal alone, or to a peer that listens itself; once, whatever comes of it.
    ///
    /// - Throws: ``HopFailure``.
    package func connect(
        toPortal portal: PeerAddress, namedBy author: AddressAuthor = .owner, on eventLoop: any EventLoop
    ) async throws -> NodeLink {
        let configuration = NodeConnection.Configuration(
            identity: identity, network: network, wallClock: WallClock.milliseconds)
        do {
            return try await NodeLink.dial(
                portal.key, over: TCPConnector(portal.net, namedBy: author),
                showing: try shownKey(at: portal.key), configuration: configuration, on: eventLoop)
        } catch let failure as DialFailure {
            throw HopFailure(failure, at: portal)
        }
    }

    private func connect(
        to target: PublicKey, along way: Route.Way, asking: inout BusyTime.Asking, on eventLoop: any EventLoop
    ) async throws -> PeerConnection {
        let link = try await connect(toPortal: way.portal, namedBy: way.author, on: eventLoop)
        do {
            let session = try await openTunnel(to: target, along: way, over: link, asking: &asking)
            return PeerConnection(link: link, session: session, through: way.portal)
        } catch {
            await link.close()
            if case SessionFailure.targetNotThere(ErrorText.membersCall) = error {
                throw HopFailure.callersAreMembers(way.portal.net)
            }
            let failure = HopFailure(settingUp: error, through: way.portal)
            if way.pair != nil, case .targetAbsent = failure { throw HopFailure.friendAbsent }
            throw failure
        }
    }

    private func shownKey(at portal: PublicKey) throws -> Identity {
        switch outerKey {
        case .fresh: try Identity.random()
        case .pseudonym: try Pseudonym.identity(of: node, at: PortalKey(portal))
        case .real: node
        }
    }

    // MARK: Tunnels

    /// Opens the tunnel, by the target's id or, where it is hidden, by the tokens of the day and of the day that is
    /// just over or about to begin.
    ///
    /// A busy target is asked again on the same connection; where it is the portal that is busy, this one is of no use.
    private func openTunnel(
        to target: PublicKey, along way: Route.Way, over link: NodeLink, asking: inout BusyTime.Asking
    ) async throws -> SessionID {
        guard let pair = way.pair else {
            return try await asking.openTunnel {
                try await link.openTunnel(to: target, instance: way.instance)
            }
        }
        let tokens = pair.tokens(at: way.portal.key, unixSeconds: WallClock.seconds())
        var missing = SessionFailure.lost
        for token in tokens {
            do {
                return try await asking.openTunnel {
                    try await link.openTunnel(
                        to: target, token: token, by: way.shownKey, instance: way.instance)
                }
            } catch let failure as SessionFailure {
                // Another token would only say that it leads nowhere.
                guard case .targetNotThere(let words) = failure, !BusyTime.isBusy(words),
                    !words.hasPrefix(ErrorText.volumeUsedUp)
                else {
                    throw failure
                }
                missing = failure
            }
        }
        throw missing
    }
}
