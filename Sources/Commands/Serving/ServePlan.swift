internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import Node
internal import TypedSodium

/// How a node faces the world: at which portals, hidden or not, and from which keyring.
struct ServePlan {
    private let opened: OpenedKeyring?
    private let isVisible: Bool
    private let hasCircle: Bool
    /// The settings; with the keyring's portals where they name none and nobody asks the keyring.
    private(set) var settings: Settings
    /// What the endpoint asks about friends; `nil` where nobody is in the keyring, so that only ids count.
    let keyring: Keyring?

    /// Decides, and refuses what makes no sense together.
    ///
    /// - Throws: ``CommandFailure``: ``ExitStatus/usage``, or ``ExitStatus/keyringUnusable`` for a copy.
    init(_ opened: OpenedKeyring?, _ settings: Settings, isVisible: Bool) throws(CommandFailure) {
        if let keyring = opened?.keyring, keyring.isCopy { throw CommandFailure(KeyringError.isCopy) }
        try self.init(opened, settings, isVisible: isVisible, hasCircle: try Self.hasCircle(opened))
    }

    /// The same node with other settings, refused where they make no sense together.
    ///
    /// - Throws: ``CommandFailure`` as at the start.
    func following(_ settings: Settings) throws(CommandFailure) -> ServePlan {
        // Whether it hides is decided once: friends who came since do not find one that has begun openly.
        try ServePlan(opened, settings, isVisible: isVisible, hasCircle: hasCircle)
    }

    private init(
        _ opened: OpenedKeyring?, _ settings: Settings, isVisible: Bool, hasCircle: Bool
    ) throws(CommandFailure) {
        if let name = settings.repeatedService {
            throw CommandFailure(
                .usage, "two services have the same name, \(name): give each a name of its own")
        }
        let letsAnyoneIn = settings.allowAnyone || settings.instances.values.contains(where: \.allowAnyone)
        guard hasCircle || letsAnyoneIn || !settings.allAllowed.isEmpty else {
            throw CommandFailure(
                .usage,
                "nobody may connect: make an invite with `cway invite create`, or give --allow @ID for each friend, or "
                    + "--allow-anyone")
        }
        guard !hasCircle || isVisible || !letsAnyoneIn else {
            throw CommandFailure(
                .usage,
                "this node is hidden, because it has friends or invites, so that not anyone can connect: "
                    + "give --visible as well as --allow-anyone, or neither")
        }
        let strangers = hasCircle && !isVisible ? try Self.strangers(opened, among: settings.allAllowed) : []
        if let stranger = strangers.first {
            throw CommandFailure(
                .usage,
                "this node is hidden, and \(stranger.id) is not in its keyring: run "
                    + "`cway friend allow \(stranger.id) --all`, or give --visible as well as --allow")
        }
        (self.opened, self.isVisible, self.hasCircle) = (opened, isVisible, hasCircle)
        let portals = try Self.portals(opened, isVisible: isVisible)
        let ownPortals = settings.instances.values.flatMap(\.portals)
        guard !portals.isEmpty || !settings.portals.isEmpty || !ownPortals.isEmpty else {
            throw CommandFailure(
                .usage,
                "no portal: run `cway portals add ADDRESS` with the line that `cway portal` prints, or give "
                    + "--portal ADDRESS")
        }
        // Who is open at first and hidden from the first invite on would be lost to those who know its id.
        keyring = hasCircle || isVisible ? opened?.keyring : nil
        let deserted = settings.instances.filter { !$0.value.allowAnyone && $0.value.allow.isEmpty }
        if let number = deserted.keys.min(), keyring == nil {
            throw CommandFailure(
                .usage,
                "nobody may connect to instance \(number), for permissions are each instance's own: give "
                    + "--instance \(number) an --allow @ID or --allow-anyone, or make an invite with "
                    + "`cway invite create --service \(number)/NAME`")
        }
        self.settings = settings
        if keyring == nil, settings.portals.isEmpty { self.settings.portals = portals }
    }

    /// The right to serve from the keyring, to be kept while the node runs; `nil` where there is none.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/keyringUnusable`` when another process has it.
    func lock() throws(CommandFailure) -> ServingLock? {
        guard let opened else { return nil }
        return try opened.servingLock()
    }

    /// Whether anybody is in the keyring for whom to be hidden.
    private static func hasCircle(_ opened: OpenedKeyring?) throws(CommandFailure) -> Bool {
        guard let opened else { return false }
        return try opened.perform { (keyring) throws(KeyringError) in
            if try keyring.friends.all().contains(where: { $0.admission != nil }) { return true }
            return try keyring.invites.all().contains { $0.closing == nil }
        }
    }

    /// Those of the ids that the keyring does not let in: a hidden node has no tokens for them.
    private static func strangers(
        _ opened: OpenedKeyring?, among ids: [PublicKey]
    ) throws(CommandFailure) -> [PublicKey] {
        guard let opened else { return ids }
        return try opened.perform { (keyring) throws(KeyringError) in
            let friends = Set(try keyring.friends.all().filter { $0.admission != nil }.map(\.key))
            return ids.filter { !friends.contains($0) }
        }
    }

    /// The portals of the keyring; a visible node is open at all of them.
    private static func portals(
        _ opened: OpenedKeyring?, isVisible: Bool
    ) throws(CommandFailure) -> [PeerAddress] {
        let portals: [PortalAddress] =
            try opened?.perform { (keyring) throws(KeyringError) in
                let portals = try keyring.portals.announced().map(\.portal)
                // So that invites and grants say where this node is reached by its id.
                for portal in portals where isVisible && !portal.isOpen {
                    _ = try keyring.portals.set(portal.key, isOpen: true)
                }
                return portals
            } ?? []
        return portals.flatMap(\.places).compactMap { try? $0.peer() }
    }
}
