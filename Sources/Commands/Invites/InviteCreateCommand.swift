internal import ArgumentParser
internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import Node
internal import QRCode
internal import Tunnel
internal import TypedSodium

/// `cway invite create`.
struct InviteCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make an invite, and print its code once.",
        discussion: """
            Whoever has the code may redeem it, so hand it over where nobody else reads. It cannot be shown again; \
            what this node keeps of it admits nobody. The code alone goes to standard output. JSON is {"id", "code", \
            "label", "services", "uses", "expires", "portals"}; services are null for all of \
            instance 0, expires is null for never.

            EXAMPLES
              cway invite create
              cway invite create --label anna --service ssh --service web --expires 12h
              cway invite create --label ben --service 1/ssh
              cway invite create --label family --uses 5 --expires never --qr
            """)

    @OptionGroup private var options: KeyringOptions

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A service that the friend may open; may be repeated. Default: all of instance 0, also later ones.",
            discussion: "1/ssh is ssh of instance 1; * stands for all, and 1/* for all of that instance.",
            valueName: "name"),
        transform: Parsing.grantedService)
    private var service: [String] = []

    @Option(name: .long, help: ArgumentHelp("How many may redeem it.", valueName: "n"))
    private var uses = 1

    @Option(
        name: .long, help: ArgumentHelp("When it ends: 7d, 12h, 30m, never. Default: 7d.", valueName: "time"),
        transform: Parsing.lifetime)
    private var expires = Lifetime.lasting(DurationText(seconds: 7 * 86_400))

    @Option(
        name: .long,
        help: ArgumentHelp("Whom it is for; the friend is called so at first.", valueName: "text"))
    private var label = ""

    @Option(
        name: .customLong("portal"),
        help: ArgumentHelp(
            "A portal to name in it; may be repeated. Default: those of this node.", valueName: "address"),
        transform: DialOptions.portal)
    private var portal: [[PeerAddress]] = []

    @Flag(name: .long, help: "Draw the code too, for a camera.") private var qr = false
    @Flag(name: .long, help: "Print JSON.") private var json = false

    func validate() throws {
        guard !(qr && json) else { throw ValidationError("Give either --qr or --json.") }
    }

    func run() async throws {
        let opened = try options.open()
        let portals = try await OwnPortals.find(
            named: portal.flatMap(\.self), atEveryHost: true, opened, options.common)
        guard !portals.isEmpty else {
            throw CommandFailure(
                .usage,
                "an invite names the portals of this node, and there is none: run `cway portals add ADDRESS`")
        }
        let now = WallClock.seconds()
        let draft = InviteDraft(
            label: label, services: ServiceGrant(options: service), uses: uses, expiry: expires.end(from: now)
        )
        let seed = try SecretKey.random(guarded: true)
        let key = InviteKey(try Identity(seed: seed).publicKey)
        let text = try opened.perform { (keyring) throws(KeyringError) in
            let code = try keyring.invites.create(draft, portals: portals, seed: seed, now: now)
            do throws(InviteCodeError) {
                return String(decoding: try code.encoded(), as: UTF8.self)
            } catch {
                throw .invite(error)
            }
        }
        let symbol = qr ? Self.symbol(of: text) : nil
        let lines = json ? Self.json(text, key, draft, portals).description : Self.lines(text, symbol)
        try CodeDelivery.print(lines, isJSON: json) { () throws(CommandFailure) in
            _ = try opened.perform { (keyring) throws(KeyringError) in
                try keyring.invites.revoke(key, now: WallClock.seconds())
            }
        }
        guard !json else { return }
        if let width = try symbol?.get().drawingWidth, width > 80 {
            CommandEnvironment.current.note("the drawing takes \(width) columns: widen the window for it")
        }
        explain(draft, portals)
    }

    private static func symbol(of text: String) -> Result<QRSymbol, CommandFailure> {
        Result { () throws(QRCodeError) in try QRSymbol(Array(text.utf8)) }
            .mapError { CommandFailure(.unexpected, $0) }
    }

    /// The code and its drawing; the code alone where it has none, because it does as well.
    private static func lines(_ text: String, _ symbol: Result<QRSymbol, CommandFailure>?) -> String {
        guard case .success(let symbol)? = symbol else { return text }
        return text + "\n" + symbol.drawing(isColoured: CommandEnvironment.current.isInteractive)
    }

    private func explain(_ draft: InviteDraft, _ portals: [PortalAddress]) {
        let end = draft.expiry.map { "until \(TimeText.text($0))" } ?? "for ever"
        let uses = draft.uses == 1 ? "once" : "\(draft.uses) times"
        let whom = draft.label.isEmpty ? "" : " for \(draft.label)"
        let places = portals.map { "\($0.hostAndPort) (\($0.manner))" }.joined(separator: ", ")
        CommandEnvironment.current.note(
            """
            An invite\(whom): may be redeemed \(uses), \(end); services: \(draft.services.words); at \(places).
            Hand it over where nobody else reads. Its reader runs `cway join` and pastes it when asked; who has no cway gets \
            the package or the tarball from you too, which runs without Swift.
            This node has to be online for that: cway serve --service NAME=PORT
            """)
        for portal in portals where Self.isLocal(portal.host) {
            CommandEnvironment.current.note(
                "\(portal.hostAndPort) leads to this machine from here, and from elsewhere nowhere: its reader has to "
                    + "be here too, and gives --allow-local")
        }
    }

    /// Whether a host is plainly one that is dialled for its owner alone.
    private static func isLocal(_ host: String) -> Bool {
        guard host != "localhost" else { return true }
        guard let address = try? SocketAddress(ipAddress: host, port: 1) else { return false }
        return LocalAddressKind(address) != nil
    }

    private static func json(
        _ code: String, _ key: InviteKey, _ draft: InviteDraft, _ portals: [PortalAddress]
    ) -> JSONValue {
        [
            "id": .string(key.publicKey.id), "code": .string(code), "label": .string(draft.label),
            "services": draft.services.json, "uses": .count(draft.uses), "expires": .time(draft.expiry),
            "portals": .array(portals.map { .string($0.addressText) }),
        ]
    }
}

/// The portals of this node, for what it publishes.
enum OwnPortals {
    /// Those that are named; without any those of the keyring, then those of the settings; each with the key shown there.
    ///
    /// Of a portal that listens at several hosts the first one, or also the others as far as an invite has room.
    ///
    /// How the node is announced at each is the keyring's to say, and hidden where it says nothing.
    ///
    /// - Throws: ``CommandFailure``.
    static func find(
        named: [PeerAddress], atEveryHost: Bool = false, _ opened: OpenedKeyring, _ common: CommonOptions
    ) async throws(CommandFailure) -> [PortalAddress] {
        let known = try opened.perform { (keyring) throws(KeyringError) in
            let portals = try keyring.portals.announced()
            return atEveryHost ? PortalRecord.places(of: portals) : portals.map(\.portal.atFirstHost)
        }
        var portals: [PortalAddress] = named.isEmpty ? known : []
        if portals.isEmpty { portals = try await find(addressed: named, known, opened, common) }
        return try portals.map { (portal) throws(CommandFailure) in
            portal.showing(try ShownKey.key(of: opened.identity, at: portal))
        }
    }

    private static func find(
        addressed named: [PeerAddress], _ known: [PortalAddress], _ opened: OpenedKeyring,
        _ common: CommonOptions
    ) async throws(CommandFailure) -> [PortalAddress] {
        let addresses =
            named.isEmpty
            ? try await common.settings(in: opened.home, flags: common.flags).settings.portals : named
        var portals: [PortalAddress] = []
        for address in addresses {
            let isOpen = known.contains { $0.key.publicKey == address.key && $0.isOpen }
            portals.append(try PortalAddress(address, isOpen: isOpen))
        }
        return portals
    }
}
