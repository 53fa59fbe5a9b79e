internal import Blinding
package import Keyring
package import Logging
package import Multiserver
package import NIOCore
internal import ServiceLifecycle
package import Tunnel
package import TypedSodium

/// An endpoint: it stays announced at its portals, whatever the network does, until it is told to stop.
///
/// What another process changes in the keyring meanwhile, friends, invites, portals, counts within a second.
package struct EndpointService: Service {
    /// What an endpoint is made of.
    package struct Configuration: Sendable {
        /// Who it is.
        package var identity: Identity
        /// Services, friends by id and the network.
        package var settings: Settings
        /// Its friends, invites and portals; `nil` for an endpoint that knows those of the settings only, and is open.
        package var keyring: Keyring?
        /// Whether to be announced under its id everywhere, keyring or not.
        package var isVisible = false
        /// Who pays for what is held, at all portals together.
        package var accounts = EndpointAccounts()
        /// Told how the endpoint is.
        package var watch = NodeWatch()
        /// Settings that count from then on in the place of those before; the network and the memory stay.
        package var changes: AsyncStream<Settings>?

        /// A configuration.
        package init(identity: Identity, settings: Settings, keyring: Keyring? = nil) {
            self.identity = identity
            self.settings = settings
            self.keyring = keyring
        }
    }

    private let configuration: Configuration
    private let group: any EventLoopGroup
    private let logger: Logger
    private let isAnnounced: @Sendable (Address) throws -> Void
    private let addresses = AddressBook()

    /// An endpoint; `isAnnounced` is told each address at which friends reach it, after every first announcement
    /// on a connection.
    package init(
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
    package func run() async throws {
        let keyring = EndpointKeyring(
            configuration.keyring,
            .init(
                identity: configuration.identity, settings: configuration.settings,
                isVisible: configuration.isVisible))
        let state = EndpointState(try await Blocking.run { try keyring.view() })
        configuration.watch.began(configuration.accounts)
        let watching = Task { await watch(keyring, state) }
        let following = Task { await follow(configuration.changes, keyring, state) }
        await withGracefulShutdownHandler {
            await keepAnnouncers(state, keyring)
        } onGracefulShutdown: {
            Task { await state.close() }
        }
        watching.cancel()
        following.cancel()
    }

    /// Puts up a new view after each change of the settings, until the task is cancelled.
    private func follow(
        _ changes: AsyncStream<Settings>?, _ keyring: EndpointKeyring, _ state: EndpointState
    ) async {
        guard let changes else { return }
        let troubles = TroubleLog(logger)
        for await settings in changes {
            keyring.use(settings)
            while !Task.isCancelled {
                do {
                    try await state.update { _ in try await Blocking.run { try keyring.view() } }
                    troubles.end()
                    break
                } catch {
                    troubles.say(.error, "the keyring could not be read", reason: "\(error)")
                    try? await Task.sleep(for: KeyringWatch.failureTime)
                }
            }
        }
    }

    /// Puts up a new view after each change of the keyring, until the task is cancelled.
    private func watch(_ keyring: EndpointKeyring, _ state: EndpointState) async {
        guard let store = keyring.keyring else { return }
        await KeyringWatch(keyring: store, logger: logger) {
            try await state.update { present in
                try await Blocking.run { try keyring.view(unlessAt: present.sequence) }
            }
        }.run()
    }

    /// Stays at each portal of the newest view, and leaves those that are not in it any more.
    private func keepAnnouncers(_ state: EndpointState, _ keyring: EndpointKeyring) async {
        var announcers: [EndpointView.Place: Task<Void, Never>] = [:]
        for await view in await state.views() {
            configuration.accounts.counters.note(wantedPortalCount: view.places.count)
            configuration.watch.follow(view)
            for place in announcers.keys where !view.places.contains(place) {
                announcers.removeValue(forKey: place)?.cancel()
            }
            for place in view.places where announcers[place] == nil {
                let announcer = announcer(at: place, state, keyring)
                announcers[place] = Task { await announcer.run() }
            }
        }
        for announcer in announcers.values { announcer.cancel() }
        for announcer in announcers.values { await announcer.value }
    }

    private func announcer(
        at place: EndpointView.Place, _ state: EndpointState, _ keyring: EndpointKeyring
    ) -> PortalAnnouncer {
        var logger = logger
        logger[metadataKey: "portal"] = "\(place.portal.net.hostAndPort)"
        return PortalAnnouncer(
            place: place, identity: configuration.identity, settings: configuration.settings, state: state,
            keyring: keyring, accounts: configuration.accounts, watch: configuration.watch,
            addresses: addresses, group: group, logger: logger, troubles: TroubleLog(logger)
        ) { [logger, isAnnounced] place in
            let view = await state.view
            let addresses = try await Blocking.run { try keyring.addresses(at: place, in: view) }
            for address in addresses {
                if place.isOpen { logger.info("announced", metadata: ["address": "\(address)"]) }
                try isAnnounced(address)
            }
        }
    }
}
