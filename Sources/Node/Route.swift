internal import Logging
public import Multiserver
internal import MuxRPC
public import NIOCore
public import SecretHandshake
public import Sodium
public import Transport
public import Tunnel

/// How a peer is reached: straight, or through a portal.
public enum Route: Hashable, Sendable {
    /// It listens at an address of its own.
    case direct(PeerAddress)
    /// It is announced at a portal.
    case tunnel(TunnelAddress, through: PeerAddress)

    /// The way to an address, with the portals that are known.
    ///
    /// - Throws: ``RouteError``.
    public init(to address: Address, portals: [PeerAddress]) throws(RouteError) {
        switch address {
        case .peer(let peer):
            self = .direct(peer)
        case .tunnel(let tunnel):
            guard let portal = portals.first(where: { $0.key == tunnel.portal }) else {
                throw portals.isEmpty ? .noPortal : .otherPortal(tunnel.portal)
            }
            self = .tunnel(tunnel, through: portal)
        case .blinded:
            throw .blinded
        }
    }

    /// Whom it leads to.
    public var target: PublicKey {
        switch self {
        case .direct(let peer): peer.key
        case .tunnel(let tunnel, _): tunnel.target
        }
    }
}

/// Why an address leads nowhere.
public enum RouteError: Error, Equatable, Sendable {
    /// A tunnel address, and no portal to dial.
    case noPortal
    /// A tunnel address at another portal than those that are known.
    case otherPortal(PublicKey)
    /// An address that does not say which portal it means.
    case blinded
}

extension RouteError: CustomStringConvertible {
    /// The cause and the remedy, for people.
    public var description: String {
        switch self {
        case .noPortal:
            "a tunnel address needs the address of its portal: give --portal net:HOST:PORT~shs:KEY"
        case .otherPortal(let key):
            "the address is for the portal \(key.id), and none of the --portal addresses has that key"
        case .blinded:
            "a blinded address is resolved by a keyring, which this version does not have yet: "
                + "ask for the plain address"
        }
    }
}

/// Who dials, and as whom.
public struct Caller: Sendable {
    /// The key that targets know.
    public var identity: Identity
    /// The key that portals see: a fresh one per connection unless told otherwise.
    public var outerIdentity: Identity?
    /// The network that both handshakes speak.
    public var network: NetworkIdentifier

    /// A caller that shows its portals fresh keys.
    public init(identity: Identity, outerIdentity: Identity? = nil, network: NetworkIdentifier) {
        self.identity = identity
        self.outerIdentity = outerIdentity
        self.network = network
    }

    /// Connects along a route and stands in a session with the target.
    ///
    /// - Throws: ``HopFailure``.
    public func connect(_ route: Route, on eventLoop: any EventLoop) async throws -> PeerConnection {
        let configuration = NodeConnection.Configuration(
            identity: identity, network: network, wallClock: WallClock.milliseconds)
        let (peer, shown): (PeerAddress, Identity) =
            switch route {
            case .direct(let peer): (peer, identity)
            case .tunnel(_, let portal): (portal, try outerIdentity ?? Identity.random())
            }
        let link: NodeLink
        do {
            link = try await NodeLink.dial(peer, showing: shown, configuration: configuration, on: eventLoop)
        } catch let failure as DialFailure {
            throw HopFailure(failure, at: peer)
        }
        guard case .tunnel(let tunnel, _) = route else {
            return PeerConnection(link: link, session: .outer)
        }
        do {
            let session = try await openTunnel(to: tunnel, over: link)
            return PeerConnection(link: link, session: session)
        } catch let failure as SessionFailure {
            await link.close()
            throw HopFailure(failure)
        }
    }

    /// How often a target that is busy is asked again, and how long to wait before at most.
    private static let busyRetries = 10
    private static let busyPause = Duration.milliseconds(400)

    /// Opens the tunnel; a target with too many handshakes under way has a place again in a moment.
    private func openTunnel(to tunnel: TunnelAddress, over link: NodeLink) async throws -> SessionID {
        for _ in 0..<Self.busyRetries {
            do {
                return try await link.openTunnel(to: tunnel.target, instance: tunnel.instance)
            } catch SessionFailure.targetNotThere(NodeErrorText.busy) {
                try await Task.sleep(for: Self.busyPause * Double.random(in: 0..<1))
            }
        }
        return try await link.openTunnel(to: tunnel.target, instance: tunnel.instance)
    }
}

/// A session with a peer, and the connection it runs in.
public struct PeerConnection: Sendable {
    /// The connection to the portal, or to the peer itself.
    public let link: NodeLink
    /// The session on it.
    public let session: SessionID

    /// The end of the session or of the connection, whichever is first.
    public var ended: EventLoopFuture<SessionFailure?> {
        session == .outer ? link.ended : link.end(of: session)
    }

    /// Says goodbye to the peer, then to the portal.
    public func close() async {
        await link.close()
    }
}
