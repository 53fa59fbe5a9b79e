internal import ArgumentParser
internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node
internal import TypedSodium

/// `cway address`: what to publish.
struct AddressCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "address",
        abstract: "Print this node's address at each of its portals, to publish or to pass on.",
        discussion: """
            sealed   tells friends everything and others nothing, not even who it is about; changes daily
            circle1  shows this node's id, and its portal to friends alone; changes daily
            hmac1    shows this node's id, and its portal to whoever guesses it from a list; never changes
            plain    shows both; only for portals where this node is open

            Only friends get further than the address: those who may reach this node. JSON is an array of {"address", \
            "form", "portal", "hidden", "rotates", "resolvesUntil"}; the times are null for forms that never change.

            EXAMPLES
              cway address
              cway address --form circle1
              cway address --form circle1 --instance 1
              cway address --day tomorrow       to publish before midnight
              cway address --json | jq -r '.[0].address'
            """)

    /// The forms in which a portal can be named.
    enum Form: String, CaseIterable, ExpressibleByArgument {
        case sealed, circle1, hmac1, plain

        var rotates: Bool { self == .sealed || self == .circle1 }
    }

    @OptionGroup private var options: KeyringOptions

    @Option(name: .long, help: ArgumentHelp("The form of the address.", valueName: "form"))
    private var form = Form.sealed

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The instance that the address leads to, where it shows this node's id.", valueName: "n"),
        transform: Parsing.instance)
    private var instance = 0

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The day of the address, in universal time; friends resolve it a day early and late."))
    private var day = Day.today

    @Flag(name: .long, help: "Print JSON.") private var json = false

    func validate() throws {
        guard instance == 0 || form != .sealed else {
            throw ValidationError(
                "A sealed address names no instance, or it would tell two of them apart: friends choose, as in "
                    + "`cway connect ADDRESS \(instance)/NAME`; or give --form circle1, hmac1 or plain.")
        }
    }

    func run() async throws {
        // Looked at alone where there is one; else it is made, for it has the key of the addresses.
        let opened = try options.openIfPresent(for: .reading) ?? options.open()
        let portals = try await OwnPortals.find(named: [], opened, options.common)
        guard !portals.isEmpty else {
            throw CommandFailure(
                .usage,
                "an address names a portal of this node, and there is none: run `cway portals add ADDRESS`")
        }
        let shown = try publishable(portals)
        let addresses = try AddressWriter(opened, epoch: day.epoch(atUnixSeconds: WallClock.seconds()))
            .addresses(at: shown, in: form, instance: instance)
        if json {
            let list = zip(addresses, shown).map { Self.json($0, form, $1) }
            return try CommandEnvironment.current.print(json: JSONValue.array(list).description)
        }
        for address in addresses { try CommandEnvironment.current.print(address.text) }
        if let day = addresses.first?.day {
            CommandEnvironment.current.note(
                "Another address from \(TimeText.text(day.rotates)) on; this one resolves until "
                    + TimeText.text(day.resolvesUntil) + ".")
        }
    }

    /// Plain addresses are for open portals: where there is none that is an error; otherwise the others are left out.
    private func publishable(_ portals: [PortalAddress]) throws(CommandFailure) -> [PortalAddress] {
        guard form == .plain, let hidden = portals.first(where: { !$0.isOpen }) else { return portals }
        let open = portals.filter(\.isOpen)
        let reason = """
            this node is hidden at \(hidden.hostAndPort): a plain address would tell the portal and every reader who is \
            there, and nobody reaches it by its id; publish a sealed one, or run \
            `cway portals open \(hidden.hostAndPort)`
            """
        guard !open.isEmpty else { throw CommandFailure(.usage, reason) }
        CommandEnvironment.current.note("left out: \(reason)")
        return open
    }

    private static func json(
        _ address: AddressWriter.Written, _ form: Form, _ portal: PortalAddress
    ) -> JSONValue {
        [
            "address": .string(address.text), "form": .string(form.rawValue),
            "portal": .string(portal.addressText), "hidden": .bool(!portal.isOpen),
            "rotates": .time(address.day?.rotates), "resolvesUntil": .time(address.day?.resolvesUntil),
        ]
    }
}

extension AddressCommand {
    /// The days whose addresses are printed.
    enum Day: String, CaseIterable, ExpressibleByArgument {
        case today, tomorrow

        /// The day in which a second lies, or the one after.
        func epoch(atUnixSeconds seconds: UInt64) -> Epoch {
            let today = Epoch(unixSeconds: seconds)
            return self == .today ? today : today.next ?? today
        }
    }
}

/// Writes this node's addresses.
struct AddressWriter {
    /// The times of an address of a day.
    struct Day {
        private static let secondsPerDay: UInt64 = 86_400

        /// When the next one begins, in Unix seconds.
        let rotates: UInt64
        /// From which second on it is not accepted any more: ``Epoch/window`` has the day before, and none earlier.
        let resolvesUntil: UInt64

        init(_ epoch: Epoch) {
            rotates = (epoch.number + 1) * Self.secondsPerDay
            resolvesUntil = rotates + Self.secondsPerDay
        }
    }

    /// An address, and its times where it has any.
    struct Written {
        let text: String
        let day: Day?
    }

    private let opened: OpenedKeyring
    private let epoch: Epoch

    init(_ opened: OpenedKeyring, epoch: Epoch) {
        self.opened = opened
        self.epoch = epoch
    }

    /// The addresses at portals, in their order.
    ///
    /// - Throws: ``CommandFailure``.
    func addresses(
        at portals: [PortalAddress], in form: AddressCommand.Form, instance: Int = 0
    ) throws(CommandFailure) -> [Written] {
        let target: TunnelTarget
        do throws(AddressError) {
            target = try TunnelTarget(key: opened.identity.publicKey, instance: instance)
        } catch {
            throw CommandFailure(.unexpected, error)
        }
        let texts: [String]
        switch form {
        case .sealed:
            texts = try values(at: portals, areSealed: true).map { "\(BlindedAddress.sealed($0))" }
        case .circle1:
            texts = try values(at: portals, areSealed: false).map { "\(BlindedAddress.circle1($0, target))" }
        case .hmac1:
            texts = portals.map { portal in
                let value = Hmac1Value(target: EndpointKey(target.key), portal: portal.key)
                return "\(BlindedAddress.hmac1(value.bytes, target))"
            }
        case .plain:
            texts = portals.map { "\(TunnelAddress(portal: $0.key.publicKey, target: target))" }
        }
        return texts.map { Written(text: $0, day: form.rotates ? Day(epoch) : nil) }
    }

    private func values(
        at portals: [PortalAddress], areSealed: Bool
    ) throws(CommandFailure) -> [FixedBytes<32>] {
        let owner = EndpointKey(opened.identity.publicKey)
        return try opened.perform { (keyring) throws(KeyringError) in
            let addressing = try keyring.circle.ownAddressing(at: epoch)
            return portals.map { portal in
                areSealed
                    ? addressing.sealedValue(target: owner, portal: portal.key).bytes
                    : addressing.value(target: owner, portal: portal.key).bytes
            }
        }
    }
}
