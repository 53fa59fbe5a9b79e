internal import Blinding
internal import Keyring
public import Multiserver
public import Sodium

/// Whom a person means, before it is known which portals lead there just now.
public enum Destination: Hashable, Sendable {
    /// A peer that listens itself, or a portal.
    case peer(PeerAddress)
    /// A target that is announced by its id, through a portal whose address is known.
    case announced(TunnelAddress, through: PeerAddress)
    /// An instance of somebody of whom the keyring knows portals; all of them count, or the one that an address named.
    case friend(PublicKey, at: PublicKey?, instance: Int = 0)

    /// Whom it leads to.
    public var target: PublicKey {
        switch self {
        case .peer(let peer): peer.key
        case .announced(let tunnel, _): tunnel.target
        case .friend(let key, _, _): key
        }
    }

    /// Which of the target's instances; 0 for the usual one.
    public var instance: Int {
        switch self {
        case .peer: 0
        case .announced(let tunnel, _): tunnel.instance
        case .friend(_, _, let instance): instance
        }
    }

    /// The same target's instance of that number.
    ///
    /// - Throws: ``DestinationError/otherInstance(_:)`` where an address has named another one than 0,
    ///   ``DestinationError/noInstances`` for a peer that is dialled straight.
    public func choosing(instance: Int) throws -> Destination {
        guard instance != self.instance else { return self }
        guard self.instance == 0 else { throw DestinationError.otherInstance(self.instance) }
        switch self {
        case .peer: throw DestinationError.noInstances
        case .announced(let tunnel, let portal):
            let other = try TunnelAddress(portal: tunnel.portal, target: tunnel.target, instance: instance)
            return .announced(other, through: portal)
        case .friend(let key, let portal, _): return .friend(key, at: portal, instance: instance)
        }
    }
}

/// Why a name or an address leads nowhere.
public enum DestinationError: Error, Equatable, Sendable {
    /// A tunnel address, and no portal to dial.
    case noPortal
    /// A tunnel address at another portal than those that are known.
    case otherPortal(PublicKey)
    /// A blinded address, and no keyring to resolve it.
    case noKeyring
    /// A blinded address that this keyring does not resolve.
    case unresolved
    /// A name or an id, and no friend's.
    case nobody(String)
    /// Neither an address nor the name of a friend.
    case unknownName(String, AddressError)
    /// A friend of whom no portal is known: they reach this node, not the other way round.
    case unreachableFriend(String)
    /// The address is this node's own.
    case ownNode
    /// An instance was chosen, and the address is one of another, which has that number.
    case otherInstance(Int)
    /// An instance was chosen of a peer that is dialled straight.
    case noInstances
}

extension DestinationError: CustomStringConvertible {
    /// The cause and the remedy, for people.
    public var description: String {
        switch self {
        case .noPortal:
            "a tunnel address needs the address of its portal: give --portal net:HOST:PORT~shs:KEY"
        case .otherPortal(let key):
            "the address is for the portal \(key.id), and none of the known portals has that key: "
                + "give its address with --portal"
        case .noKeyring:
            "a blinded address is resolved by a keyring, and there is none here: ask the owner for an invite "
                + "and run `cway join`"
        case .unresolved:
            "the address is not for this keyring: it is somebody's who is no friend here, or it is out of date "
                + "(a circle1 address holds for three days): ask its owner for the one of today"
        case .nobody(let text): "no friend here is '\(text)': look at `cway friend list`, or give an address"
        case .unknownName(let text, let error):
            "\(text.debugDescription) is no friend's name (see `cway friend list`), and no address: \(error)"
        case .unreachableFriend(let name):
            "\(name) may reach this node, but has not invited it back: ask them for an invite and run "
                + "`cway join`"
        case .otherInstance(let number):
            "the address is one of instance \(number): choose no other, or ask for another address"
        case .noInstances:
            "a peer that is dialled straight has no instances: leave the number out, or give a tunnel address"
        case .ownNode: "the address is this node's own, and nobody calls oneself: run the command elsewhere"
        }
    }
}
