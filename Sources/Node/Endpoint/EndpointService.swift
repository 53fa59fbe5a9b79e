internal import Blinding
public import Keyring
public import Logging
public import Multiserver
public import NIOCore
public import ServiceLifecycle
public import Sodium
package import Tunnel

/// An endpoint: it stays announced at its portals, whatever the network does, until it is told to stop.
///
/// What another process changes in the keyring meanwhile, friends, invites, portals, counts within a second.
public struct EndpointService: Service {
    /// What an endpoint is made of.
    public struct Configuration: Sendable {
        /// Who it is.
        public var identity: Identity
        /// Services, friends by id and the network.
        public var settings: Settings
        /// Its friends, invites and portals; `nil` for an endpoint that knows those of the settings only, and is open.
        public var keyring: Keyring?
        /// Whether to be announced under its id everywhere, keyring or not.
        public var isVisible = false
        /// Who pays for what is held, at all portals together.
        package var accounts = EndpointAccounts()
        /// Settings that count from then on in the place of those before; the network and the memory stay.
        public var changes: AsyncStream<Settings>?

        /// A configuration.
        public init(identity: Identity, settings: Settings, keyring: Keyring? = nil) {
            self.identity = identity
            self.settings = settings
            self.keyring = keyring
        }
    }

    private let configuration: Configuration
    private let group: any EventLoopGroup
    private let logger: Logger
    private let isAnnounced: @Sendable (Address) throws -> Void

    /// An endpoint; `isAnnounced` is told each address at which friends reach it, after every first announcement
    /// on a connection.
    public init(
        _ configuration: Configuration, group: any EventLoopGroup, logger: Logger,
        isAnnounced: @escaping @Sendable (Address) throws -> Void
    ) {
        self.configuration = configuration
        self.group = group
        self.logger = logger
        self.isAnnounced = isAnnounced
    }

    /// Serves until the group shuts down.
    ///
    /// - Throws: `KeyringError`, when the keyring cannot be read at the start.
    public func run() async throws {
        let keyring = EndpointKeyring(
            configuration.keyring,
            .init(
                identity: configuration.identity, settings: configuration.settings,
                isVisible: configuration.isVisible))
        let board = EndpointBoard(try await Blocking.run { try keyring.view() })
        let watching = Task { await watch(keyring, board) }
        let following = Task { await follow(configuration.changes, keyring, board) }
        await withGracefulShutdownHandler {
            await keepPresences(board, keyring)
        } onGracefulShutdown: {
            Task { await board.close() }
        }
        watching.cancel()
        following.cancel()
    }

    /// Puts up a new view after each change of the settings, until the task is cancelled.
    private func follow(
        _ changes: AsyncStream<Settings>?, _ keyring: EndpointKeyring, _ board: EndpointBoard
    ) async {
        guard let changes else { return }
        let troubles = TroubleLog(logger)
        for await settings in changes {
            keyring.use(settings)
            while !Task.isCancelled {
                do {
                    if await board.publish(try await Blocking.run { try keyring.view() }) { break }
                } catch {
                    troubles.say(.error, "the keyring could not be read", reason: "\(error)")
                    try? await Task.sleep(for: KeyringWatch.failureTime)
                }
            }
        }
    }

    /// Puts up a new view after each change of the keyring, until the task is cancelled.
    private func watch(_ keyring: EndpointKeyring, _ board: EndpointBoard) async {
        guard let store = keyring.keyring else { return }
        await KeyringWatch(keyring: store, logger: logger) {
            let last = await board.view.sequence
            let view = try await Blocking.run { try keyring.view(unlessAt: last) }
            if let view { await board.publish(view) }
        }.run()
    }

    /// Stays at each portal of the newest view, and leaves those that are not in it any more.
    private func keepPresences(_ board: EndpointBoard, _ keyring: EndpointKeyring) async {
        var presences: [EndpointView.Place: Task<Void, Never>] = [:]
        for await view in await board.views() {
            for place in presences.keys where !view.places.contains(place) {
                presences.removeValue(forKey: place)?.cancel()
            }
            for place in view.places where presences[place] == nil {
                let presence = presence(at: place, board, keyring)
                presences[place] = Task { await presence.run() }
            }
        }
        for presence in presences.values { presence.cancel() }
        for presence in presences.values { await presence.value }
    }

    private func presence(
        at place: EndpointView.Place, _ board: EndpointBoard, _ keyring: EndpointKeyring
    ) -> PortalPresence {
        var logger = logger
        logger[metadataKey: "portal"] = "\(place.portal.net.hostAndPort)"
        return PortalPresence(
            place: place, identity: configuration.identity, settings: configuration.settings, board: board,
            keyring: keyring, accounts: configuration.accounts, group: group, logger: logger,
            troubles: TroubleLog(logger)
        ) { [logger, isAnnounced] place in
            let view = await board.view
            let addresses = try await Blocking.run { try keyring.addresses(at: place, in: view) }
            for address in addresses {
                if place.isOpen { logger.info("announced", metadata: ["address": "\(address)"]) }
                try isAnnounced(address)
            }
        }
    }
}
