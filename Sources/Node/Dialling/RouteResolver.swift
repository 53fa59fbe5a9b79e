internal import Blinding
internal import Invitation
package import Keyring
package import Multiserver
internal import Tunnel
package import TypedSodium

/// Finds out whom a name or an address means, and which portals lead there; asks the keyring and dials nothing.
package struct RouteResolver: Sendable {
    private let identity: Identity
    private let keyring: Keyring?
    private let portals: [PeerAddress]
    private let named: [PeerAddress]
    private let allowsLocal: Bool

    /// A resolver of names and addresses.
    ///
    /// - Parameters:
    ///   - identity: who dials.
    ///   - keyring: what is known of friends and portals.
    ///   - portals: those of the settings.
    ///   - named: those that count instead of what the keyring says: for an address the hosts of its portal, for a name
    ///     the only portals that are dialled, of whichever key.
    ///   - allowsLocal: whether friends may name addresses of this machine and its links.
    package init(
        identity: Identity, keyring: Keyring?, portals: [PeerAddress], named: [PeerAddress] = [],
        allowsLocal: Bool = false
    ) {
        self.identity = identity
        self.keyring = keyring
        self.portals = portals
        self.named = named
        self.allowsLocal = allowsLocal
    }

    // MARK: Whom

    /// Reads a friend's name, a friend's id, or an address of any form.
    ///
    /// - Throws: ``DestinationError`` or `KeyringError`.
    package func destination(named text: String) throws -> Destination {
        if let friend = try keyring?.friends.find(named: text) { return try destination(of: friend) }
        if let key = try? PublicKey(id: text), let friend = try keyring?.friends.find(key) {
            return try destination(of: friend)
        }
        let address: Address
        do throws(AddressError) {
            address = try Address(text)
        } catch {
            // Every address says at least how it is dialled, before a colon, and no name can have one.
            throw text.contains(":") ? DestinationError.unknownName(text, error) : .nobody(text)
        }
        return try destination(of: address)
    }

    /// Reads an address.
    ///
    /// - Throws: ``DestinationError`` or `KeyringError`.
    package func destination(of address: Address) throws -> Destination {
        switch address {
        case .peer(let peer):
            return .peer(peer)
        case .tunnel(let tunnel):
            let way = try way(to: tunnel.target, at: tunnel.portal)
            // An address that names its portal does not make a hidden friend's node one that is asked for by its id.
            if let way, !way.isOpen {
                return .friend(tunnel.target, at: tunnel.portal, instance: tunnel.instance)
            }
            let places = try places(of: tunnel.portal, or: way)
            guard let first = places.first else {
                let known = try keyring?.portals.all() ?? []
                throw portals.isEmpty && named.isEmpty && known.isEmpty
                    ? DestinationError.noPortal : DestinationError.otherPortal(tunnel.portal)
            }
            return .announced(tunnel, through: first)
        case .blinded(let blinded):
            guard let keyring else { throw DestinationError.noKeyring }
            guard let found = try keyring.circle.resolve(blinded, now: WallClock.seconds()) else {
                throw DestinationError.unresolved
            }
            return .friend(
                found.target.publicKey, at: found.portal.key.publicKey,
                instance: blinded.target?.instance ?? 0)
        }
    }

    private func destination(of friend: Friend) throws -> Destination {
        guard friend.reach?.portals.isEmpty == false || !named.isEmpty else {
            throw DestinationError.unreachableFriend(friend.name)
        }
        return .friend(friend.key, at: nil)
    }

    private func way(to target: PublicKey, at portal: PublicKey) throws -> PortalAddress? {
        try keyring?.friends.find(target)?.reach?.portals.first { $0.key.publicKey == portal }
    }

    /// Where a portal is dialled that an address names by its key only, the best place first.
    private func places(of portal: PublicKey, or way: PortalAddress?) throws -> [PeerAddress] {
        if !named.isEmpty { return named.filter { $0.key == portal } }
        var places = portals.filter { $0.key == portal }
        for known in try keyring?.portals.all() ?? [] where known.portal.key.publicKey == portal {
            places += try known.portal.places.map { try $0.peer() }
        }
        // Last: it is what the friend said, the others are what the owner of this keyring did.
        if let way { places.append(try way.peer()) }
        var seen: Set<PeerAddress> = []
        return places.filter { seen.insert($0).inserted }
    }

    // MARK: Which way

    /// The ways that lead there just now; asked again before each dialling, because a friend's portals change.
    ///
    /// - Throws: ``DestinationError``, `KeyringError` or `BlindingError`.
    package func route(to destination: Destination) throws -> Route {
        switch destination {
        case .peer(let peer):
            return .direct(peer)
        case .announced(let tunnel, let portal):
            let authors = try authors()
            let way = try way(to: tunnel.target, at: tunnel.portal)
            let others = try places(of: tunnel.portal, or: way).filter { $0 != portal }
            let ways = ([portal] + others).map { place in
                Route.Way(
                    portal: place, namedBy: named.isEmpty ? authors.author(of: place) : .owner,
                    instance: tunnel.instance)
            }
            return .tunnel(target: tunnel.target, ways: ways)
        case .friend(let key, let portal, let instance):
            guard let keyring else { throw DestinationError.noKeyring }
            guard key != keyring.owner.publicKey else { throw DestinationError.ownNode }
            guard let friend = try keyring.friends.find(key) else { throw DestinationError.unresolved }
            let known = friend.reach?.portals ?? []
            let wanted = known.filter { portal == nil || $0.key.publicKey == portal }
            guard named.isEmpty else {
                return try route(to: key, named: portal, known: wanted, instance)
            }
            guard !wanted.isEmpty else { throw DestinationError.unreachableFriend(friend.name) }
            let authors = try authors()
            let route = try Self.route(
                to: key, through: authors.addingHosts(of: wanted), namedBy: authors, as: identity,
                instance: instance)
            return route.trying(first: friend.lastPlace)
        }
    }

    /// The ways to a friend by the word of whoever gave the command, which goes before that of the keyring.
    ///
    /// An address names its portal, so only that one counts for it; a name does not. Where the keyring does not say that
    /// the friend is open it is asked for by token.
    private func route(
        to target: PublicKey, named portal: PublicKey?, known: [PortalAddress], _ instance: Int
    ) throws -> Route {
        let places = named.filter { portal == nil || $0.key == portal }
        if places.isEmpty, let portal { throw DestinationError.otherPortal(portal) }
        let pair = try FriendPair(of: identity, with: target)
        return .tunnel(
            target: target,
            ways: places.map { place in
                let known = known.first { $0.key.publicKey == place.key }
                return Route.Way(
                    portal: place, pair: known?.isOpen == true ? nil : pair, shownKey: known?.shownKey,
                    instance: instance)
            })
    }

    private func authors() throws -> AddressAuthors {
        try AddressAuthors(settings: portals, keyring: keyring, allowsLocal: allowsLocal)
    }

    /// The ways to a target through portals, as the identity that it knows: a friend's own, or an invite's.
    ///
    /// - Throws: `BlindingError` or `AddressError`.
    static func route(
        to target: PublicKey, through portals: [PortalAddress], namedBy authors: AddressAuthors,
        as identity: Identity, instance: Int = 0
    ) throws -> Route {
        let isHidden = portals.contains { !$0.isOpen }
        let pair = isHidden ? try FriendPair(of: identity, with: target) : nil
        return .tunnel(
            target: target,
            ways: try portals.map { portal in
                try Route.Way(
                    portal, namedBy: authors.author(of: try portal.peer()), pair: pair,
                    instance: instance)
            })
    }
}

/// Who has named the address of a portal that an invite or a grant names: the owner of this node where it is one of
/// the portals that they have named too, with the same key at the same host and port; else others.
struct AddressAuthors: Sendable {
    private let own: Set<PeerAddress>
    private let hosts: [PortalAddress]
    private let allowsLocal: Bool

    /// Knows the portals of the settings and of the keyring; `allowsLocal` says that the owner trusts all others too.
    ///
    /// - Throws: `KeyringError`.
    init(settings: [PeerAddress], keyring: Keyring?, allowsLocal: Bool) throws {
        hosts = try keyring?.portals.all().flatMap(\.portal.places) ?? []
        own = Set(settings + hosts.compactMap { try? $0.peer() })
        self.allowsLocal = allowsLocal
    }

    /// Who has named an address.
    func author(of portal: PeerAddress) -> AddressAuthor {
        allowsLocal || own.contains(portal) ? .owner : .others
    }

    /// Portals, with the hosts that the owner has named for the same keys behind them.
    func addingHosts(of portals: [PortalAddress]) -> [PortalAddress] {
        var all = portals
        for host in hosts where !all.contains(where: { $0.listens(at: host) }) {
            guard let known = portals.first(where: { $0.key == host.key }) else { continue }
            // How the target is announced there, whoever knows the host, is what the target has said.
            all.append(host.inManner(isOpen: known.isOpen, shownKey: known.shownKey))
        }
        return all
    }
}
