internal import ArgumentParser
internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import Node

/// `cway portals remove`.
struct PortalsRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Forget a portal, or one of its hosts.",
        discussion: """
            HOST:PORT, or an address, means that host alone where the portal has others; an id means all of them. \
            Friends who know no other portal of this node, or host of it, cannot reach it then: give them time to \
            connect after another one was added. Open invites still name the portal.

            EXAMPLES
              cway portals remove old.example.org:8008
              cway portals remove @KEY=.ed25519
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: PortalArgument

    func run() async throws {
        let opened = try options.openIfPresent(for: .changing)
        let reference = try PortalReference(argument.portal, in: opened)
        let portal = reference.portal
        guard let host = reference.host, !portal.portal.others.isEmpty else {
            _ = try opened?.perform { (keyring) throws(KeyringError) in
                try keyring.portals.remove(portal.portal.key)
            }
            let hosts = portal.portal.hosts.map(\.hostAndPort).joined(separator: ", ")
            return try CommandEnvironment.current.print("removed \(hosts)")
        }
        let left =
            try opened?.perform { (keyring) throws(KeyringError) in try keyring.portals.removeHost(host) }
            ?? []
        let hosts = left.map(\.hostAndPort).joined(separator: ", ")
        try CommandEnvironment.current.print("removed \(host.hostAndPort); the portal is known at \(hosts)")
    }
}

/// `cway portals open`.
struct PortalsOpenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open",
        abstract: "Announce this node at a portal under its real id.",
        discussion: """
            For portals of other programs, which know no tokens. The portal, and whoever asks it, then learns that \
            this node is there. Other portals are not touched. Friends who know this portal as one where the node is \
            hidden reach it at another of its portals only, and learn of the change there.

            EXAMPLES
              cway portals open portal.example.org:8008
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: PortalArgument

    func run() async throws { try argument.set(isOpen: true, options) }
}

/// `cway portals hide`.
struct PortalsHideCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hide",
        abstract: "Announce this node at a portal under a pseudonym, for friends alone.",
        discussion: """
            What the portal has learnt while this node was open there, it may remember. Friends learn of the change \
            when they reach the node at another of its portals.

            EXAMPLES
              cway portals hide portal.example.org:8008
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: PortalArgument

    func run() async throws { try argument.set(isOpen: false, options) }
}

/// The argument that names a portal of the keyring.
struct PortalArgument: ParsableArguments, Sendable {
    @Argument(help: ArgumentHelp("The portal: its id, HOST:PORT, or its address.", valueName: "portal"))
    var portal: String

    /// Opens or hides this node there.
    func set(isOpen: Bool, _ options: KeyringOptions) throws(CommandFailure) {
        let opened = try options.openIfPresent(for: .changing)
        let record = try PortalReference(portal, in: opened).portal
        let known = record.portal
        guard let opened else { return }
        guard record.isAnnounced else {
            throw CommandFailure(
                .usage,
                "this node is not announced at \(known.hostAndPort), through which friends are reached: run "
                    + "`cway portals add --announce \(known.addressText)`")
        }
        _ = try opened.perform { (keyring) throws(KeyringError) in
            try keyring.portals.set(known.key, isOpen: isOpen)
        }
        let changed = try PortalReference(known.key.publicKey.id, in: opened).portal.portal
        let shown = try ShownKey.key(of: opened.identity, at: changed)
        try CommandEnvironment.current.print("\(known.hostAndPort): \(changed.manner), seen as \(shown.id)")
        if isOpen {
            CommandEnvironment.current.note(
                "invites made before say that this node is hidden there: make them anew")
        }
    }
}
