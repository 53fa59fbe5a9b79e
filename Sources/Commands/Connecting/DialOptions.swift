internal import ArgumentParser
internal import Keyring
internal import Logging
internal import Multiserver
internal import Node

/// The options that say which key portals see.
struct ShownKeyOptions: ParsableArguments, Sendable {
    @Flag(
        name: .customLong("identify"),
        help: "Show the portal this node's pseudonym, which is needed where only members may call.")
    var showsPseudonym = false

    @Flag(
        name: .customLong("real-id"),
        help: "Show the portal this node's real id instead of a fresh one per connection.")
    var showsRealID = false

    func validate() throws {
        guard !(showsPseudonym && showsRealID) else {
            throw ValidationError("Give either --identify or --real-id.")
        }
    }

    /// What is shown: a fresh key for each connection, unless said otherwise.
    var outerKey: Caller.OuterKey { showsRealID ? .real : showsPseudonym ? .pseudonym : .fresh }

    /// The options as they are written.
    var words: [String] { (showsRealID ? ["--real-id"] : []) + (showsPseudonym ? ["--identify"] : []) }
}

/// The option of every command that goes where an invite or a friend says.
struct LocalOptions: ParsableArguments, Sendable {
    @Flag(
        name: .customLong("allow-local"),
        help: ArgumentHelp(
            "Dial a portal also where an invite or a friend names an address of this machine or its links.",
            discussion: "For portals on one machine or link; the setting allowLocal says so for good."))
    var allowsLocal = false

    /// The option as it is written.
    var words: [String] { allowsLocal ? ["--allow-local"] : [] }

    /// Adds it to the flags among the settings.
    func add(to flags: inout Settings.Flags) {
        if allowsLocal { flags.allowLocal = true }
    }
}

/// The options of every command that dials: through which portals, and as whom.
struct DialOptions: ParsableArguments, Sendable {
    @Option(
        name: .customLong("portal"),
        help: ArgumentHelp(
            "A portal to dial through, instead of those that the keyring knows; may be repeated.",
            discussion: """
                For an address it says where the portal of that key listens; for a friend's name it may be another \
                portal too. Default: what the keyring and the settings say. Form: net:HOST:PORT~shs:KEY; \
                several addresses of one portal stand with ; between.
                """,
            valueName: "address"),
        transform: Self.portal)
    private var portals: [[PeerAddress]] = []

    /// Every address of every portal that was named.
    var portal: [PeerAddress] { portals.flatMap(\.self) }

    @OptionGroup var showing: ShownKeyOptions
    @OptionGroup var local: LocalOptions

    /// How a friend or an address is written as an argument.
    static let targetHelp = ArgumentHelp(
        "A friend's name or id, or any address: of a peer, a tunnel, blinded or not.",
        valueName: "friend-or-address")

    /// Who dials whom, and where to log; nothing is dialled yet.
    ///
    /// - Parameters:
    ///   - text: a friend's name or id, or an address of any form.
    ///   - instance: which of the target's instances, where that is said beside the address.
    ///   - isOnBattery: whether to be woken rarely; where not, the settings say.
    ///   - options: which home, which network.
    /// - Returns: what dials.
    /// - Throws: ``CommandFailure``: ``ExitStatus/notForThisKeyring`` for an address that is not resolved,
    ///   ``ExitStatus/usage`` for what leads nowhere.
    func dialler(
        to text: String, instance: Int? = nil, isOnBattery: Bool = false, _ options: KeyringOptions
    ) async throws(CommandFailure) -> Dialler {
        let common = options.common
        let (home, identity) = try options.owner()
        var flags = common.flags
        flags.portals = portal
        local.add(to: &flags)
        if isOnBattery { flags.battery = true }
        let (settings, logger) = try await common.settings(in: home, flags: flags)
        let keyring = try options.keyringIfPresent(of: identity, in: home, for: .changing)
        let resolver = RouteResolver(
            identity: identity, keyring: keyring, portals: settings.portals, named: portal,
            allowsLocal: settings.allowLocal)
        var caller = Caller(identity: identity, outerKey: showing.outerKey, network: settings.network)
        caller.isOnBattery = settings.battery
        do {
            var destination = try resolver.destination(
                named: CodeText.address(in: text) ?? CodeText.name(in: text))
            if let instance { destination = try destination.choosing(instance: instance) }
            var logger = logger
            if case .friend(let key, _, _) = destination, let friend = try keyring?.friends.find(key) {
                logger[metadataKey: "friend"] = "\(friend.name)"
            }
            return Dialler(
                caller: caller, resolver: resolver, destination: destination, keyring: keyring,
                logger: logger)
        } catch {
            throw CommandFailure(cause: error)
        }
    }

    /// Reads the addresses of a portal, which are no tunnel addresses.
    ///
    /// - Throws: `ValidationError` with the cause and the remedy.
    @Sendable static func portal(_ text: String) throws -> [PeerAddress] {
        do throws(CommandFailure) {
            return try PortalAddressText.readAll(text)
        } catch {
            throw ValidationError("\(error)")
        }
    }
}

/// The option of commands that call a target without naming a service of it.
struct ChosenInstanceOptions: ParsableArguments, Sendable {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Which of the target's instances. Default: the one that the address names, else 0.",
            valueName: "n"),
        transform: Parsing.instance)
    var instance: Int?
}
