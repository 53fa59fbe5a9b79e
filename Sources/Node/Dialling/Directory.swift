public import Blinding
public import Keyring
public import Multiserver
public import Sodium
internal import Transport

/// Finds out whom a name or an address means, and which portals lead there; asks the keyring and dials nothing.
public struct Directory: Sendable {
    private let identity: Identity
    private let keyring: Keyring?
    private let portals: [PeerAddress]
    private let allowsLocal: Bool

    /// A directory; `portals` are those of the settings, and `allowsLocal` whether friends may name addresses of this
    /// machine and its links.
    public init(identity: Identity, keyring: Keyring?, portals: [PeerAddress], allowsLocal: Bool = false) {
        self.identity = identity
        self.keyring = keyring
        self.portals = portals
        self.allowsLocal = allowsLocal
    }

    // MARK: Whom

    /// Reads a friend's name, a friend's id, or an address of any form.
    ///
    /// - Throws: ``DestinationError`` or `KeyringError`.
    public func destination(named text: String) throws -> Destination {
        if let friend = try keyring?.friend(named: text) { return try destination(of: friend) }
        if let key = try? PublicKey(id: text), let friend = try keyring?.friend(key) {
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
    public func destination(of address: Address) throws -> Destination {
        switch address {
        case .peer(let peer):
            return .peer(peer)
        case .tunnel(let tunnel):
            let way = try way(to: tunnel.target, at: tunnel.portal)
            // An address that names its portal does not make a hidden friend's node one that is asked for by its id.
            if let way, !way.isOpen {
                return .friend(tunnel.target, at: tunnel.portal, instance: tunnel.instance)
            }
            return .announced(tunnel, through: try place(of: tunnel.portal, or: way))
        case .blinded(let blinded):
            guard let keyring else { throw DestinationError.noKeyring }
            guard let found = try keyring.resolve(blinded, now: WallClock.seconds()) else {
                throw DestinationError.unresolved
            }
            return .friend(
                found.target.publicKey, at: found.portal.key.publicKey,
                instance: blinded.target?.instance ?? 0)
        }
    }

    private func destination(of friend: Friend) throws -> Destination {
        guard let reach = friend.reach, !reach.portals.isEmpty else {
            throw DestinationError.unreachableFriend(friend.name)
        }
        return .friend(friend.key, at: nil)
    }

    private func way(to target: PublicKey, at portal: PublicKey) throws -> InvitePortal? {
        try keyring?.friend(target)?.reach?.portals.first { $0.key.publicKey == portal }
    }

    /// Where a portal is dialled that an address names by its key only.
    private func place(of portal: PublicKey, or way: InvitePortal?) throws -> PeerAddress {
        if let known = portals.first(where: { $0.key == portal }) { return known }
        let announced = try keyring?.portals() ?? []
        if let known = announced.first(where: { $0.portal.key.publicKey == portal }) {
            return try PeerAddress(known.portal)
        }
        // Last: it is what the friend said, the others are what the owner of this keyring did.
        if let way { return try PeerAddress(way) }
        throw portals.isEmpty && announced.isEmpty
            ? DestinationError.noPortal : DestinationError.otherPortal(portal)
    }

    // MARK: Which way

    /// The ways that lead there just now; asked again before each dialling, because a friend's portals change.
    ///
    /// - Throws: ``DestinationError``, `KeyringError` or `BlindingError`.
    public func route(to destination: Destination) throws -> Route {
        switch destination {
        case .peer(let peer):
            return .direct(peer)
        case .announced(let tunnel, let portal):
            let author = try authors().author(of: portal)
            let way = Route.Way(portal: portal, namedBy: author, instance: tunnel.instance)
            return .tunnel(target: tunnel.target, ways: [way])
        case .friend(let key, let named, let instance):
            guard let keyring else { throw DestinationError.noKeyring }
            guard key != keyring.owner.publicKey else { throw DestinationError.ownNode }
            guard let friend = try keyring.friend(key) else { throw DestinationError.unresolved }
            let known = friend.reach?.portals ?? []
            let wanted = known.filter { named == nil || $0.key.publicKey == named }
            guard !wanted.isEmpty else { throw DestinationError.unreachableFriend(friend.name) }
            return try Self.route(
                to: key, through: wanted, namedBy: authors(), as: identity, instance: instance)
        }
    }

    private func authors() throws -> AddressAuthors {
        try AddressAuthors(settings: portals, keyring: keyring, allowsLocal: allowsLocal)
    }

    /// The ways to a target through portals, as the identity that it knows: a friend's own, or an invite's.
    ///
    /// - Throws: `BlindingError` or `AddressError`.
    static func route(
        to target: PublicKey, through portals: [InvitePortal], namedBy authors: AddressAuthors,
        as identity: Identity, instance: Int = 0
    ) throws -> Route {
        let isHidden = portals.contains { !$0.isOpen }
        let pair = isHidden ? try FriendPair(of: identity, with: target) : nil
        return .tunnel(
            target: target,
            ways: try portals.map { portal in
                try Route.Way(
                    portal, namedBy: authors.author(of: try PeerAddress(portal)), pair: pair,
                    instance: instance)
            })
    }
}

/// Who has named the address of a portal that an invite or a grant names: the owner of this node where it is one of
/// their own portals too, with the same key at the same host and port; else others.
struct AddressAuthors: Sendable {
    private let own: Set<PeerAddress>
    private let allowsLocal: Bool

    /// Knows the portals of the settings and of the keyring; `allowsLocal` says that the owner trusts all others too.
    ///
    /// - Throws: `KeyringError`.
    init(settings: [PeerAddress], keyring: Keyring?, allowsLocal: Bool) throws {
        let known = try keyring?.portals() ?? []
        own = Set(settings + known.compactMap { try? PeerAddress($0.portal) })
        self.allowsLocal = allowsLocal
    }

    /// Who has named an address.
    func author(of portal: PeerAddress) -> AddressAuthor {
        allowsLocal || own.contains(portal) ? .owner : .others
    }
}

extension PeerAddress {
    /// The address of a portal that an invite, a grant or the keyring names.
    ///
    /// - Throws: `AddressError`, for a host that cannot be dialled.
    public init(_ portal: InvitePortal) throws(AddressError) {
        self.init(net: try NetAddress(host: portal.host, port: portal.port), key: portal.key.publicKey)
    }
}
