public import Logging
public import Multiserver
internal import MuxRPC
public import NIOCore
internal import SecretHandshake
public import ServiceLifecycle
public import Sodium
internal import Transport
internal import Tunnel

/// An endpoint at one portal: it stays announced there, whatever the network does, until it is told to stop.
public struct EndpointService: Service {
    /// What an endpoint is made of.
    public struct Configuration: Sendable {
        /// Who it is.
        public var identity: Identity
        /// Services, friends and the network.
        public var settings: Settings

        /// A configuration.
        public init(identity: Identity, settings: Settings) {
            self.identity = identity
            self.settings = settings
        }
    }

    /// How long to stay away after another node with this identity has announced itself.
    ///
    /// Two nodes with one identity would else throw each other out for ever.
    static let truceTime = Duration.seconds(60)

    private let configuration: Configuration
    private let portal: PeerAddress
    private let group: any EventLoopGroup
    private let logger: Logger
    private let isAnnounced: @Sendable (TunnelAddress) throws -> Void

    /// An endpoint; `isAnnounced` is told the address at which friends reach it, after every announcement.
    public init(
        _ configuration: Configuration, at portal: PeerAddress, group: any EventLoopGroup, logger: Logger,
        isAnnounced: @escaping @Sendable (TunnelAddress) throws -> Void
    ) {
        self.configuration = configuration
        self.portal = portal
        self.group = group
        var logger = logger
        logger[metadataKey: "portal"] = "\(portal.net.hostAndPort)"
        self.logger = logger
        self.isAnnounced = isAnnounced
    }

    /// Dials, announces, serves, and dials again, until the group shuts down.
    public func run() async throws {
        let address = try TunnelAddress(portal: portal.key, target: configuration.identity.publicKey)
        var backoff = Backoff()
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let outcome = await serveOnce(address)
            if Task.isShuttingDownGracefully { break }
            var wait: Duration
            switch outcome {
            case .replaced:
                logger.warning("this identity has announced itself elsewhere: staying away for a minute")
                wait = Self.truceTime
            case .ended(let wasAnnounced):
                if wasAnnounced { backoff.succeeded() }
                let pause = backoff.failed(at: .now(), fraction: .random(in: 0..<1))
                wait = .nanoseconds(pause.nanoseconds)
            }
            logger.debug("dialling again", metadata: ["after": "\(wait)"])
            // Cancelled by the shutdown: the loop's condition sees to the rest.
            try? await cancelWhenGracefulShutdown { [wait] in try await Task.sleep(for: wait) }
        }
    }

    private enum Outcome {
        case replaced
        case ended(wasAnnounced: Bool)
    }

    /// One connection, from dialling to its end.
    private func serveOnce(_ address: TunnelAddress) async -> Outcome {
        let (events, continuation) = AsyncStream.makeStream(of: NodeLinkEvent.self)
        let link: NodeLink
        do {
            link = try await NodeLink.dial(
                portal, showing: configuration.identity, configuration: nodeConfiguration,
                services: targets, on: group.next()
            ) { continuation.yield($0) }
        } catch {
            let reason = (error as? DialFailure).map { HopFailure($0, at: portal).description } ?? "\(error)"
            logger.warning("no connection to the portal", metadata: ["reason": "\(reason)"])
            return .ended(wasAnnounced: false)
        }
        link.ended.whenComplete { _ in continuation.finish() }
        link.announce()
        return await withGracefulShutdownHandler {
            await follow(events, of: link, address)
        } onGracefulShutdown: {
            Task { await link.close() }
        }
    }

    private func follow(
        _ events: AsyncStream<NodeLinkEvent>, of link: NodeLink, _ address: TunnelAddress
    ) async -> Outcome {
        var wasAnnounced = false
        var wasReplaced = false
        for await event in events {
            switch event {
            case .announced:
                wasAnnounced = true
                logger.info("announced", metadata: ["address": "\(address)"])
                do {
                    try isAnnounced(address)
                } catch {
                    logger.error("the address cannot be printed", metadata: ["error": "\(error)"])
                }
            case .announcementEnded(let error):
                wasReplaced = wasAnnounced
                logger.error("the portal ended the announcement", metadata: ["reason": "\(error.message)"])
                await link.close()
            default:
                log(event)
            }
        }
        let failure = (try? await link.ended.get()) ?? nil
        if let failure, !Task.isShuttingDownGracefully {
            logger.warning("the connection is over", metadata: ["reason": "\(failure)"])
        }
        return wasReplaced ? .replaced : .ended(wasAnnounced: wasAnnounced)
    }

    private func log(_ event: NodeLinkEvent) {
        switch event {
        case .announced, .announcementEnded, .asked:
            break
        case .happened(.accepted(let friend)):
            logger.info("friend connected", metadata: ["friend": "\(friend.id)"])
        case .happened(.invited(let invite)):
            logger.info("an invite's holder connected", metadata: ["invite": "\(invite.id)"])
        case .happened(.dismissed(let peer)):
            logger.info("dismissed: not allowed any more", metadata: ["peer": "\(peer.id)"])
        case .happened(.refused(let peer)):
            logger.warning("refused: not allowed", metadata: ["peer": "\(peer.id)"])
        case .happened(.handshakeFailed(let failure)):
            logger.info("a call without a handshake", metadata: ["reason": "\(failure)"])
        case .happened(.unknownService(let name, let friend)):
            logger.info("no such service", metadata: ["service": "\(name)", "friend": "\(friend.id)"])
        case .serviceOpened(let name, let friend):
            logger.info("service opened", metadata: ["service": "\(name)", "friend": "\(friend.id)"])
        case .serviceNotListening(let name, let friend, let reason):
            logger.warning(
                "service not listening",
                metadata: ["service": "\(name)", "friend": "\(friend.id)", "reason": "\(reason)"])
        case .serviceClosed(let name, let friend, let sent, let received, let failure):
            logger.info(
                "service closed",
                metadata: [
                    "service": "\(name)", "friend": "\(friend.id)", "sent": "\(sent)",
                    "received": "\(received)",
                    "end": "\(failure.map { "\($0)" } ?? "complete")",
                ])
        }
    }

    private var nodeConfiguration: NodeConnection.Configuration {
        let settings = configuration.settings
        return NodeConnection.Configuration(
            identity: configuration.identity, network: settings.network,
            reception: .open(
                EndpointPolicy(services: settings.services.map(\.name), access: access)),
            wallClock: WallClock.milliseconds)
    }

    private var access: EndpointPolicy.Access {
        let settings = configuration.settings
        if settings.allowAnyone { return .anyone }
        return .only(Dictionary(settings.allow.map { ($0, .all) }) { first, _ in first })
    }

    private var targets: [String: ServiceTarget] {
        Dictionary(configuration.settings.services.map { ($0.name, $0.target) }) { _, last in last }
    }
}
