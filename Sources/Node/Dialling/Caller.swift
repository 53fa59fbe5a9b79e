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
    /// Which addresses of portals did not answer lately.
    package var addresses = AddressBook()
    /// Whether to be woken rarely, and so to notice late that a portal's machine has died.
    package var isOnBattery = false
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

    /// How long a portal's other addresses are waited for once one has said that the target is not there.
    private static let wordTime = Duration.seconds(3)

    /// Connects along a route and stands in a session with the target.
    ///
    /// - Throws: ``HopFailure``, of the portal where it got furthest.
    package func connect(_ route: Route, on eventLoop: any EventLoop) async throws -> PeerConnection {
        try await connect(route, avoiding: nil, on: eventLoop)
    }

    /// The same, not at that address where its portal has another one.
    func connect(
        _ route: Route, avoiding address: DialAddress?, on eventLoop: any EventLoop
    ) async throws -> PeerConnection {
        switch route {
        case .direct(let peer):
            // It may be a portal, which has no business with the key that targets know.
            let link = try await busyTime.run { _ in try await connect(toPortal: peer, on: eventLoop) }
            return PeerConnection(link: link, to: peer)
        case .tunnel(let target, let ways):
            let portals = await attempts(along: ways, avoiding: address)
            // A portal's addresses are raced among themselves, so that each portal has one head start.
            let race = PortalRace(ways: portals) { attempts, stood in
                try await connect(to: target, attempts, on: eventLoop, stood)
            } close: {
                await $0.close()
            }
            return try await race.run()
        }
    }

    private func connect(
        to target: PublicKey, _ attempts: [Attempt], on eventLoop: any EventLoop,
        _ stood: @escaping @Sendable () -> Void
    ) async throws -> PeerConnection {
        var race = PortalRace(ways: attempts) { attempt, stoodThere in
            var attempt = attempt
            attempt.isOnlyOne = attempts.count == 1
            attempt.stood = {
                stoodThere()
                stood()
            }
            return try await busyTime.run { [attempt] asking in
                try await connect(to: target, attempt, asking: &asking, on: eventLoop)
            }
        } close: {
            await $0.close()
        }
        race.wordTime = Self.wordTime
        return try await race.run()
    }

    /// A way to a target, at one of the addresses of its portal.
    private struct Attempt: Sendable {
        let way: Route.Way
        let address: DialAddress
        /// Whether its portal has no other address.
        var isOnlyOne = true
        /// Is told when the connection to the portal stands.
        var stood: @Sendable () -> Void = {}
    }

    /// Every address of every portal: the portals in their order, the addresses of each in the order of this dial.
    private func attempts(along ways: [Route.Way], avoiding avoided: DialAddress?) async -> [[Attempt]] {
        var portals: [[Attempt]] = []
        var seen: Set<PublicKey> = []
        for portal in ways.map(\.portal.key) where seen.insert(portal).inserted {
            let ways = ways.filter { $0.portal.key == portal }
            let hosts = ways.map { ($0.portal, $0.author) }
            let addresses = await addresses.addresses(of: hosts, avoiding: avoided)
            portals.append(
                addresses.compactMap { address in
                    ways.first { $0.portal == address.portal }.map { Attempt(way: $0, address: address) }
                })
        }
        return portals
    }

    /// Connects to a portal alone, or to a peer that listens itself; once, whatever comes of it.
    ///
    /// - Throws: ``HopFailure``.
    package func connect(
        toPortal portal: PeerAddress, namedBy author: AddressAuthor = .owner, on eventLoop: any EventLoop
    ) async throws -> NodeLink {
        try await dial(DialAddress(portal: portal), namedBy: author, on: eventLoop)
    }

    private func dial(
        _ address: DialAddress, namedBy author: AddressAuthor, on eventLoop: any EventLoop,
        report: @escaping @Sendable (NodeLinkEvent) -> Void = { _ in }
    ) async throws -> NodeLink {
        let portal = address.portal
        let configuration = NodeConnection.Configuration(
            identity: identity, network: network, wallClock: WallClock.milliseconds)
        do {
            return try await NodeLink.dial(
                portal.key, over: TCPConnector(portal.net, at: address.addresses, namedBy: author),
                showing: try shownKey(at: portal.key), configuration: configuration, on: eventLoop,
                report: report)
        } catch let failure as DialFailure {
            throw HopFailure(failure, at: portal)
        }
    }

    /// Connects through a portal at one address; where there is no other, it is dialled once more when that leads to a
    /// machine that cannot reach the target's.
    private func connect(
        to target: PublicKey, _ attempt: Attempt, asking: inout BusyTime.Asking, on eventLoop: any EventLoop
    ) async throws -> PeerConnection {
        do {
            return try await connectOnce(to: target, attempt, asking: &asking, on: eventLoop)
        } catch HopFailure.cutOff where attempt.isOnlyOne {
            return try await connectOnce(to: target, attempt, asking: &asking, on: eventLoop)
        }
    }

    private func connectOnce(
        to target: PublicKey, _ attempt: Attempt, asking: inout BusyTime.Asking, on eventLoop: any EventLoop
    ) async throws -> PeerConnection {
        let (way, wishes) = (attempt.way, SuccessorWishes())
        addresses.tried(attempt.address)
        let link = try await dial(attempt.address, namedBy: way.author, on: eventLoop) { wishes.note($0) }
        addresses.stood(attempt.address)
        attempt.stood()
        do {
            let session = try await openTunnel(to: target, along: way, over: link, asking: &asking)
            return PeerConnection(link: link, session: session, through: attempt.address, wishes: wishes)
        } catch {
            await link.close()
            let failure = failure(of: error, along: way)
            if case .cutOff = failure { addresses.tried(attempt.address) }
            throw failure
        }
    }

    private func failure(of error: any Error, along way: Route.Way) -> HopFailure {
        if case SessionFailure.targetNotThere(ErrorText.membersCall) = error {
            return .callersAreMembers(way.portal.net)
        }
        let failure = HopFailure(settingUp: error, through: way.portal)
        if way.pair != nil, case .targetAbsent = failure { return .friendAbsent }
        return failure
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
                    !words.hasPrefix(ErrorText.volumeUsedUp), words != ErrorText.notReachable
                else {
                    throw failure
                }
                missing = failure
            }
        }
        throw missing
    }
}
