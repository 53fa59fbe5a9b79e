public import ArgumentParser
public import Logging
public import Multiserver
public import Node

/// The options of every command that dials: through which portals, and as whom.
public struct DialOptions: ParsableArguments, Sendable {
    /// Portals to dial through.
    @Option(
        name: .long,
        help: ArgumentHelp(
            "A portal to dial through; may be repeated.",
            discussion: "Default: the portals of the settings. Form: net:HOST:PORT~shs:KEY.",
            valueName: "address"),
        transform: Self.portal)
    public var portal: [PeerAddress] = []

    /// Whether portals see the key that friends know.
    @Flag(
        name: .customLong("real-id"),
        help: "Show the portal this node's real id instead of a fresh one per connection.")
    public var showsRealID = false

    /// No options.
    public init() {}

    /// What is needed to dial an address: who, along which way, and where to log.
    ///
    /// - Parameters:
    ///   - address: of a portal, a peer that listens itself, or a target behind a portal.
    ///   - common: the options that say which home and which network.
    /// - Returns: the plan.
    /// - Throws: ``CommandFailure``: a tunnel address without its portal is ``ExitStatus/usage``.
    public func plan(to address: Address, _ common: CommonOptions) async throws(CommandFailure) -> DialPlan {
        let home = try common.preparedHome()
        var flags = common.flags
        flags.portals = portal
        let (settings, logger) = try await common.settings(in: home, flags: flags)
        let identity = try common.identity(in: home).identity
        let caller = Caller(
            identity: identity, outerIdentity: showsRealID ? identity : nil, network: settings.network)
        do throws(RouteError) {
            let route = try Route(to: address, portals: settings.portals)
            return DialPlan(caller: caller, route: route, logger: logger)
        } catch {
            throw CommandFailure(.usage, error)
        }
    }

    /// Reads an address that can be dialled, for arguments of commands.
    ///
    /// - Throws: `ValidationError` with the cause and the remedy.
    @Sendable public static func address(_ text: String) throws -> Address {
        do throws(AddressError) {
            return try Address(text)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// Reads the address of a portal, which is no tunnel address.
    ///
    /// - Throws: `ValidationError` with the cause and the remedy.
    @Sendable public static func portal(_ text: String) throws -> PeerAddress {
        guard case .peer(let peer) = try address(text) else {
            throw ValidationError("A portal is dialled itself: write net:HOST:PORT~shs:KEY.")
        }
        return peer
    }
}

/// Everything that is known before a command dials.
public struct DialPlan: Sendable {
    /// Who dials.
    public let caller: Caller
    /// Along which way.
    public let route: Route
    /// Where to log.
    public let logger: Logger
}

extension CommandFailure {
    /// Names the hop that failed, by code and in words.
    public init(_ failure: HopFailure) {
        let status: ExitStatus =
            switch failure {
            case .unreachable: .portalUnreachable
            case .outerHandshakeRefused: .outerHandshakeRefused
            case .targetAbsent: .targetAbsent
            case .innerHandshakeRefused, .innerHandshakeTimedOut: .innerHandshakeRefused
            case .serviceUnknown: .serviceUnknown
            case .serviceNotListening: .serviceNotListening
            case .connectionLost: .connectionLost
            }
        self.init(status, failure)
    }
}
