internal import ArgumentParser
internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node
internal import TypedSodium
internal import Watching

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
            A portal that listens at several hosts has a line for each; IN USE says at which address the node that runs \
            from this home is connected. One through which friends are reached, and where \
            this node is not announced, is dialled only. JSON is an array of {"id", "address", "host", "port", "hosts", \
            "announced", "hidden", "seenAs", "inUse", "added"}, one for each portal: hosts are the addresses of all its hosts, \
            inUse is null where no node is connected, and hidden and seenAs are null where this node is not announced.

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
        let inUse = await UsedAddresses(of: opened)
        var (table, list) = (TextTable("PORTAL", "ANNOUNCED", "SEEN AS", "IN USE", "ADDRESS"), [JSONValue]())
        for record in portals {
            guard let identity = opened?.identity else { continue }
            let portal = record.portal
            let shown = record.isAnnounced ? try ShownKey.key(of: identity, at: portal).id : nil
            for host in portal.places {
                table.add(
                    host.hostAndPort, record.isAnnounced ? host.manner : "dialled only", shown ?? "-",
                    inUse.words(at: host), host.addressText)
            }
            list.append([
                "id": .string(portal.key.publicKey.id), "address": .string(portal.addressText),
                "host": .string(portal.host), "port": .count(Int(portal.port)),
                "hosts": .array(portal.places.map { .string($0.addressText) }),
                "announced": .bool(record.isAnnounced),
                "hidden": record.isAnnounced ? .bool(!portal.isOpen) : .null,
                "seenAs": .text(shown), "inUse": .text(inUse.address(of: portal)),
                "added": .time(record.addedAt),
            ])
        }
        if json { return try environment.print(json: JSONValue.array(list).description) }
        guard !portals.isEmpty else {
            return environment.note("no portals yet: add one with `cway portals add ADDRESS`")
        }
        try environment.print(table.text)
    }
}

/// At which addresses the node that serves from a home is connected to its portals.
struct UsedAddresses {
    private var addresses: [PublicKey: String] = [:]

    /// Asks the node that runs; nothing is in use where none does, or where it does not say.
    init(of opened: OpenedKeyring?) async {
        guard let opened, let answers = try? await StatusClient(home: opened.home.path).ask() else { return }
        for case .report(let report) in answers where report.process.role == "serve" {
            for portal in report.node?.portals ?? [] {
                guard let peer = try? PeerAddress(portal.address) else { continue }
                addresses[peer.key] = portal.connectedTo
            }
        }
    }

    /// The address at which a portal is connected; `nil` where it is not.
    func address(of portal: PortalAddress) -> String? { addresses[portal.key.publicKey] }

    /// Whether that is this host; of a name with several addresses, which.
    func words(at host: PortalAddress) -> String {
        let parts = address(of: host)?.split(separator: " ", maxSplits: 1).map(String.init) ?? []
        guard parts.first == host.hostAndPort else { return "-" }
        return parts.count > 1 ? parts[1].trimmingParentheses : "yes"
    }
}

extension String {
    fileprivate var trimmingParentheses: String { filter { $0 != "(" && $0 != ")" } }
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
