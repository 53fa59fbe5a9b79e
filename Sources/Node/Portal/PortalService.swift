internal import Blinding
package import Keyring
package import Logging
package import Multiserver
package import NIOCore
internal import PortalCore
internal import SecretHandshake
internal import ServiceLifecycle
package import Transport
internal import Tunnel
package import TypedSodium

/// A portal as a service: it listens until it is told to stop, and says goodbye then.
package struct PortalService: Service {
    /// What a portal is made of.
    package struct Configuration: Sendable {
        /// Who it is.
        package var identity: Identity
        /// Where it listens, and for which network, and how much a source may take.
        package var settings: Settings
        /// Sockets that listen already, in the place of all that the settings name.
        package var sockets: [InheritedSocket] = []
        /// Whether each connection is a source of its own, for measuring.
        package var countsSourcesApart = false
        /// How it is called in lists.
        package var name: String
        /// Who may do what, and who comes by which invite; without one everybody may do everything.
        package var keyring: Keyring?
        /// Where it is kept who has had how much in this month; without one it is forgotten with the process.
        package var traffic: TrafficStore?
        /// Shown what tunnels pass on, on event loops: the sender's id and the body of each packet.
        package var inspector: (@Sendable (PublicKey, ByteBuffer) -> Void)?
        /// Where those who watch the portal find it.
        package var running = RunningPortal()
        /// Told how the portal is.
        package var watch = PortalWatch()
        /// What makes it one machine of several; without, it is on this machine alone.
        package var cluster: ClusterPlan?
        /// Settings of which the limits for addresses count from then on.
        package var changes: AsyncStream<Settings>?

        /// A configuration.
        package init(identity: Identity, settings: Settings, name: String = "companionway") {
            self.identity = identity
            self.settings = settings
            self.name = name
        }
    }

    private let configuration: Configuration
    private let group: any EventLoopGroup
    private let logger: Logger
    private let isReady: @Sendable ([PeerAddress]) throws -> Void

    /// A portal; `isReady` is told its addresses, with the real port, once it accepts connections.
    package init(
        _ configuration: Configuration, group: any EventLoopGroup, logger: Logger,
        isReady: @escaping @Sendable ([PeerAddress]) throws -> Void
    ) {
        self.configuration = configuration
        self.group = group
        self.logger = logger
        self.isReady = isReady
    }

    /// Serves until the group shuts down.
    ///
    /// - Throws: the system's error when an address cannot be bound, or `KeyringError`.
    package func run() async throws {
        let member = try makeMember()
        configuration.running.member = member
        let clustering = Task { await member?.run() }
        let result: Result<Void, any Error>
        do {
            result = .success(try await serve(as: member))
        } catch {
            result = .failure(error)
        }
        await member?.close()
        clustering.cancel()
        await clustering.value
        logger.debug("the portal is closed")
        try result.get()
    }

    private func serve(as member: ClusterMember?) async throws {
        let settings = configuration.settings
        let keyring = configuration.keyring.map {
            PortalKeyring(keyring: $0, of: configuration.running, logger: logger)
        }
        let sizes = ProcessSizes.current(poolByteCount: settings.limits.memory?.byteCount)
        logger.debug("sizes", metadata: ["sizes": "\(sizes)"])
        try await member?.readPolicy()
        let portal = try await makePortal(keyring, sizes, member)
        let watch = Task { await keyring?.watch(for: portal) }
        defer { watch.cancel() }
        let keeper = configuration.traffic.map {
            TrafficKeeper(store: $0, ledger: portal.traffic, logger: logger)
        }
        await keeper?.restore()
        let keeping = Task { await keeper?.run() }
        defer { keeping.cancel() }
        var admission = ConnectionLimits.Settings(
            connectionCount: sizes.connectionCount, ceilings: ConnectionLimits.Ceilings(settings.limits),
            trustedProxies: settings.limits.trustedProxies)
        admission.countsApart = configuration.countsSourcesApart
        let limits = ConnectionLimits(admission, group: group)
        let following = Task { [changes = configuration.changes] in
            guard let changes else { return }
            for await settings in changes {
                portal.traffic.update(TrafficSettings(settings.limits), at: .now())
                limits.update(
                    ConnectionLimits.Ceilings(settings.limits), trustedProxies: settings.limits.trustedProxies
                )
            }
        }
        defer { following.cancel() }
        var servers: [PortalServer] = []
        let report: @Sendable (PortalServerEvent) -> Void = {
            [log = PortalLog(portal: portal, logger: logger), watch = configuration.watch] in
            watch.note($0)
            log.note($0)
        }
        do {
            try await join(member, portal, report)
            var addresses: [PeerAddress] = []
            for (acceptor, host) in doors(settings) {
                let server = try await PortalServer.start(
                    portal, over: acceptor, group: group, limits: limits, report: report)
                servers.append(server)
                if let address = try address(of: server, at: host) { addresses.append(address) }
            }
            configuration.running.addresses = addresses
            configuration.watch.began(
                portal, at: addresses.map(\.description), sizes: sizes,
                members: { await keyring?.members() ?? [] })
            let watching = Task { [watch = configuration.watch] in await watch.run(logger) }
            defer { watching.cancel() }
            try isReady(addresses)
            configuration.running.isListening = true
            try? await gracefulShutdown()
            configuration.running.isListening = false
            await leave(member, servers)
        } catch {
            for server in servers { await server.close() }
            throw error
        }
        configuration.watch.ended()
        await withTaskGroup { tasks in
            for server in servers { tasks.addTask { await server.close() } }
        }
        keeping.cancel()
        await keeping.value
        await keeper?.finish()
    }

    // MARK: Among other machines

    private func makeMember() throws -> ClusterMember? {
        guard let plan = configuration.cluster else { return nil }
        return try ClusterMember(plan, of: configuration.identity, group: group, logger: logger) { engine in
            let policy = try configuration.keyring.map { keyring in
                try SharedPolicy(keyring, of: configuration.identity, through: engine, logger: logger)
            }
            configuration.running.policy = policy
            return policy
        }
    }

    /// Begins among the other machines, and waits until this one may serve, or is told to stop.
    private func join(
        _ member: ClusterMember?, _ portal: Portal, _ report: @escaping @Sendable (PortalServerEvent) -> Void
    ) async throws {
        guard let member else { return }
        try await member.start(portal) { report(.portal($0)) }
        await cancelWhenGracefulShutdown { await member.serves() }
    }

    /// Has endpoints go to other machines before this one ends.
    private func leave(_ member: ClusterMember?, _ servers: [PortalServer]) async {
        guard let member else { return }
        for server in servers { await server.acceptNoMore() }
        await member.drain()
    }

    private func makePortal(
        _ keyring: PortalKeyring?, _ sizes: ProcessSizes, _ member: ClusterMember?
    ) async throws -> Portal {
        var settings = PortalSettings(name: configuration.name, wallClock: WallClock.milliseconds)
        settings.memoryByteCount = sizes.poolByteCount
        settings.traffic = TrafficSettings(configuration.settings.limits)
        settings.neighbours = member?.runtime
        if let inspector = configuration.inspector {
            settings.inspector = { inspector($0.sender, $0.body) }
        }
        let place = configuration.running
        if let keyring {
            settings.policy = try await Blocking.run { try keyring.begin() }
            settings.redeem = { invite, feed in await keyring.redeem(invite, for: feed, in: place.portal) }
        }
        let portal = Portal(
            identity: configuration.identity, network: configuration.settings.network, settings: settings)
        place.portal = portal
        return portal
    }

    /// Where connections come in, with the host as it was written, where that is one to dial.
    private func doors(_ settings: Settings) -> [(any Acceptor, host: String?)] {
        guard configuration.sockets.isEmpty else {
            return configuration.sockets.map { (InheritedAcceptor($0), nil) }
        }
        return settings.listen.map { (TCPAcceptor($0), $0.dialledHost) }
    }

    /// What others dial: the host as it was written or named, the port as it came out; `nil` for a Unix domain socket,
    /// which nobody dials.
    private func address(of server: PortalServer, at host: String?) throws(AddressError) -> PeerAddress? {
        guard let bound = server.addresses.first, let port = bound.port else { return nil }
        let isForAll = bound.ipAddress.map(LocalAddressKind.isUnspecified) ?? false
        let ownHost = host ?? (isForAll ? nil : bound.ipAddress) ?? "localhost"
        let net = try NetAddress(
            host: configuration.settings.publicHost ?? ownHost, port: UInt16(clamping: port))
        return PeerAddress(net: net, key: configuration.identity.publicKey)
    }
}

extension ConnectionLimits.Ceilings {
    fileprivate init(_ limits: Settings.Limits) {
        self.init(
            connectionsPerSource: limits.connectionsPerAddress,
            handshakesPerSecond: limits.handshakesPerSecondPerAddress)
    }
}
