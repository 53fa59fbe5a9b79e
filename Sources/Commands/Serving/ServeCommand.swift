package import ArgumentParser
internal import Keyring
internal import Logging
internal import Multiserver
internal import Node
internal import Transport
internal import Tunnel
internal import TypedSodium
internal import Watching

/// `cway serve`: runs an endpoint.
package struct ServeCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    package static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Offer services of this machine to friends, through portals.",
        discussion: """
            Who has friends or open invites is hidden: the portal sees a pseudonym and tokens, and nobody but friends \
            gets as far as a handshake. Prints an address for each portal that has taken the announcement: of a \
            hidden node a sealed one, which friends resolve, else the plain one. What 'cway friend', 'invite' and \
            'portals' change counts within a second; what config.json says is read again at SIGHUP, where there is no \
            terminal. Lost connections are dialled again by themselves.

            EXAMPLES
              cway serve --service ssh=22 --service web=unix:/run/web.sock
              cway serve --visible --service web=localhost:8080 --allow-anyone --portal net:portal.example.org:8008~shs:KEY=
              cway serve --service web=8080 --instance 1 --service ssh=22 --instance 2 --service git=9418
              cway serve --service ssh=localhost:22 --allow @ID=.ed25519 --portal net:portal.example.org:8008~shs:KEY=
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var serving: ServingOptions

    @OptionGroup private var offer: OfferOptions

    @Flag(name: .long, help: "Announce this node's id at all portals, also with friends or invites.")
    private var visible = false

    @OptionGroup private var battery: BatteryOptions
    @OptionGroup private var memory: MemoryOptions
    @OptionGroup private var watching: WatchOptions
    @OptionGroup private var others: InstanceOptions

    /// Made by ArgumentParser.
    package init() {}

    /// Serves until a signal.
    package func run() async throws {
        let (home, identity) = try options.owner()
        let common = options.common
        var flags = common.flags
        flags.limits = memory.limits
        flags.watching = watching.settings
        flags.portals = offer.portal
        flags.services = offer.service
        flags.allow = offer.allow
        flags.allowAnyone = offer.allowAnyone ? true : nil
        flags.visible = visible ? true : nil
        battery.add(to: &flags)
        flags.instances = try others.instances()
        let (settings, logger) = try await common.settings(in: home, flags: flags)
        let sizes = ProcessSizes.current(poolByteCount: settings.limits.memory?.byteCount)
        logger.debug("sizes", metadata: ["sizes": "\(sizes)"])
        let keyring = try options.keyringIfPresent(of: identity, in: home, for: .serving)
        let opened = keyring.map { OpenedKeyring(home: home, identity: identity, keyring: $0) }
        if settings.services.isEmpty, settings.instances.values.allSatisfy(\.services.isEmpty) {
            Self.sayThatNothingIsServed()
        }
        let plan = try ServePlan(opened, settings, isVisible: settings.visible)
        let watchers = try WatchPlan(settings.watching)
        let lock = try plan.lock()
        if plan.keyring == nil {
            logger.info(
                "open to those who are allowed by id; start again after the first invite to be hidden")
        }
        var configuration = EndpointService.Configuration(
            identity: identity, settings: plan.settings, keyring: plan.keyring)
        configuration.isVisible = settings.visible
        var limits = EndpointAccounts.Limits()
        limits.bytes = sizes.poolByteCount
        limits.descriptors = sizes.connectionCount
        configuration.accounts = EndpointAccounts(limits)
        let reload = SettingsReload(plan.settings, logger: logger) {
            [flags, plan] () async throws(CommandFailure) in
            try plan.following(try await common.readSettings(in: home, flags: flags)).settings
        }
        configuration.changes = reload.changes
        try await Serving.run(
            threads: nil, logger: logger, serving, reload: reload,
            readyAtStart: "serves; `cway status` says at which portals"
        ) { [configuration] group in
            [
                StatusService("serve", in: home, group: group, logger: logger) {
                    [watch = configuration.watch, id = identity.publicKey] report in
                    report.node = NodeReport(id, await watch.snapshot())
                },
                EndpointService(configuration, group: group, logger: logger) { address in
                    try CommandEnvironment.current.print("\(address)")
                },
            ] + watchers.services(for: Watched(configuration.accounts), group: group, logger: logger)
        }
        // One node serves from a home at a time, until here.
        _ = consume lock
    }

    /// Friends still reach the node, measure the way to it and fetch addresses, so it is served all the same.
    private static func sayThatNothingIsServed() {
        CommandEnvironment.current.note(
            "cway: this node offers no service yet: give --service NAME=PORT, for example --service ssh=22")
    }
}

extension Watched {
    /// A node, as those see it who watch it: ready while it is announced anywhere.
    fileprivate init(_ accounts: EndpointAccounts) {
        self.init(build: .ofProcess, isReady: { accounts.counters.isAttached }) { blur in
            NodeFamilies.families(of: accounts.metrics, blur)
        }
    }
}
