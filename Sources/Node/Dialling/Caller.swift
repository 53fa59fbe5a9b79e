internal import Blinding
public import Multiserver
public import NIOCore
public import SecretHandshake
public import Sodium
public import Transport
internal import Tunnel

/// Who dials, and as whom.
public struct Caller: Sendable {
    /// The key that portals see, decided before dialling and whatever a portal says.
    public enum OuterKey: Sendable {
        /// A fresh one for each connection.
        case fresh
        /// Always the same at one portal, unlinkable to any other; for portals that admit members only.
        case pseudonym
        /// The key that friends know.
        case real
    }

    /// The key that targets know.
    public var identity: Identity
    /// The key that portals see.
    public var outerKey: OuterKey
    /// Whose that key is, where it is not the key that targets know: an invite's holder shows a portal its own.
    var holder: Identity?
    /// The network that both handshakes speak.
    public var network: NetworkIdentifier

    /// A caller; it shows its portals fresh keys unless told otherwise.
    public init(identity: Identity, outerKey: OuterKey = .fresh, network: NetworkIdentifier) {
        self.identity = identity
        self.outerKey = outerKey
        self.network = network
    }

    /// Connects along a route and stands in a session with the target.
    ///
    /// - Throws: ``HopFailure``, of the portal where it got furthest.
    public func connect(_ route: Route, on eventLoop: any EventLoop) async throws -> PeerConnection {
        switch route {
        case .direct(let peer):
            return PeerConnection(
                link: try await dial(peer, showing: identity, on: eventLoop), session: .outer, portal: nil)
        case .tunnel(let target, let ways):
            return try await PortalRace(ways: ways) { way in
                try await connect(to: target, along: way, on: eventLoop)
            }.run()
        }
    }

    /// Connects to a portal alone.
    ///
    /// - Throws: ``HopFailure``.
    public func connect(toPortal portal: PeerAddress, on eventLoop: any EventLoop) async throws -> NodeLink {
        try await dial(portal, showing: try shownKey(at: portal.key), on: eventLoop)
    }

    private func connect(
        to target: PublicKey, along way: Route.Way, on eventLoop: any EventLoop
    ) async throws -> PeerConnection {
        let link = try await connect(toPortal: way.portal, on: eventLoop)
        do {
            let session = try await openTunnel(to: target, along: way, over: link)
            return PeerConnection(link: link, session: session, portal: way.portal)
        } catch {
            await link.close()
            if way.pair != nil, case SessionFailure.targetNotThere(let words) = error,
                words != NodeErrorText.busy
            {
                throw HopFailure.friendAbsent
            }
            throw HopFailure(error)
        }
    }

    private func dial(
        _ peer: PeerAddress, showing shown: Identity, on eventLoop: any EventLoop
    ) async throws -> NodeLink {
        let configuration = NodeConnection.Configuration(
            identity: identity, network: network, wallClock: WallClock.milliseconds)
        do {
            return try await NodeLink.dial(peer, showing: shown, configuration: configuration, on: eventLoop)
        } catch let failure as DialFailure {
            throw HopFailure(failure, at: peer)
        }
    }

    private func shownKey(at portal: PublicKey) throws -> Identity {
        let holder = holder ?? identity
        return switch outerKey {
        case .fresh: try Identity.random()
        case .pseudonym: try Pseudonym.identity(of: holder, at: PortalKey(portal))
        case .real: holder
        }
    }

    // MARK: Tunnels

    /// How long a busy target is asked again, and how long to wait in between at most.
    private static let busyTime = Duration.seconds(20)
    private static let busyPause = Duration.milliseconds(400)

    /// Opens the tunnel, by the target's id or, where it is hidden, by the tokens of the day and of the day that is
    /// just over or about to begin.
    private func openTunnel(
        to target: PublicKey, along way: Route.Way, over link: NodeLink
    ) async throws -> SessionID {
        guard let pair = way.pair else {
            return try await openTunnel(to: target, token: nil, instance: way.instance, over: link)
        }
        let tokens = pair.tokens(at: way.portal.key, unixSeconds: WallClock.seconds())
        var missing = SessionFailure.lost
        for token in tokens {
            do {
                return try await openTunnel(to: target, token: token, instance: 0, over: link)
            } catch let failure as SessionFailure {
                guard case .targetNotThere = failure else { throw failure }
                missing = failure
            }
        }
        throw missing
    }

    /// Opens the tunnel; a target with too many handshakes under way has a place again in a moment.
    private func openTunnel(
        to target: PublicKey, token: PairToken?, instance: Int, over link: NodeLink
    ) async throws -> SessionID {
        let deadline = ContinuousClock.now + Self.busyTime
        while ContinuousClock.now < deadline {
            do {
                return try await link.openTunnel(to: target, token: token, instance: instance)
            } catch SessionFailure.targetNotThere(NodeErrorText.busy) {
                try await Task.sleep(for: Self.busyPause * Double.random(in: 0..<1))
            }
        }
        return try await link.openTunnel(to: target, token: token, instance: instance)
    }
}
