internal import ArgumentParser
internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node
internal import TypedSodium

/// `cway portals`: where this node announces itself.
struct PortalsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "portals",
        abstract: "The portals at which this node announces itself, and what each of them sees.",
        discussion: """
            A portal where this node is hidden knows it by a pseudonym of its own, and passes on only those who show \
            a token that friends compute. One where it is open knows its id, and passes on whoever asks for that. \
            A node that runs follows changes within a second.

            EXAMPLES
              cway portals add net:portal.example.org:8008~shs:KEY=
              cway portals list
              cway portals open portal.example.org:8008
            """,
        subcommands: [
            PortalsAddCommand.self, PortalsListCommand.self, PortalsRemoveCommand.self,
            PortalsOpenCommand.self, PortalsHideCommand.self,
        ],
        defaultSubcommand: PortalsListCommand.self)
}

/// `cway portals list`.
struct PortalsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the portals, and the id that each sees of this node.",
        discussion: """
            A portal that listens at several hosts has a line for each. One through which friends are reached, and where \
            this node is not announced, is dialled only. JSON is an array of {"id", "address", "host", "port", "hosts", \
            "announced", "hidden", "seenAs", "added"}, one for each portal: hosts are the addresses of all its hosts, and \
            hidden and seenAs are null where this node is not announced.

            EXAMPLES
              cway portals list
              cway portals list --json | jq -r '.[] | select(.hidden) | .seenAs'
            """)

    @OptionGroup private var options: KeyringOptions
    @Flag(name: .long, help: "Print JSON.") private var json = false

    func run() async throws {
        let (environment, opened) = (CommandEnvironment.current, try options.openIfPresent(for: .reading))
        let portals =
            try opened?.perform { (keyring) throws(KeyringError) in try keyring.portals.all() } ?? []
        var (table, list) = (TextTable("PORTAL", "ANNOUNCED", "SEEN AS", "ADDRESS"), [JSONValue]())
        for record in portals {
            guard let identity = opened?.identity else { continue }
            let portal = record.portal
            let shown = record.isAnnounced ? try ShownKey.key(of: identity, at: portal).id : nil
            for host in portal.places {
                table.add(
                    host.hostAndPort, record.isAnnounced ? host.manner : "dialled only", shown ?? "-",
                    host.addressText)
            }
            list.append([
                "id": .string(portal.key.publicKey.id), "address": .string(portal.addressText),
                "host": .string(portal.host), "port": .count(Int(portal.port)),
                "hosts": .array(portal.places.map { .string($0.addressText) }),
                "announced": .bool(record.isAnnounced),
                "hidden": record.isAnnounced ? .bool(!portal.isOpen) : .null,
                "seenAs": .text(shown), "added": .time(record.addedAt),
            ])
        }
        if json { return try environment.print(json: JSONValue.array(list).description) }
        guard !portals.isEmpty else {
            return environment.note("no portals yet: add one with `cway portals add ADDRESS`")
        }
        try environment.print(table.text)
    }
}

/// The key that a portal sees of this node.
enum ShownKey {
    /// The pseudonym where the node is hidden, otherwise its real key.
    ///
    /// - Throws: ``CommandFailure``.
    static func key(of identity: Identity, at portal: PortalAddress) throws(CommandFailure) -> PublicKey {
        guard !portal.isOpen else { return identity.publicKey }
        do throws(BlindingError) {
            return try Pseudonym.identity(of: identity, at: portal.key).publicKey
        } catch {
            throw CommandFailure(.unexpected, error)
        }
    }
}
