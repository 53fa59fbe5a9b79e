/// Why a text is no address, or none that Companionway can dial.
public enum AddressError: Error, Equatable, Sendable {
    /// There is nothing there.
    case empty
    /// More bytes than an address may have.
    case tooLong(Int, limit: Int)
    /// The character at this offset in bytes breaks the grammar of multiserver addresses.
    case malformed(offset: Int)
    /// A well-formed address, but no part of it names a way that is spoken here; the name is the first one.
    case unknownProtocol(String)
    /// A host that is neither a name nor an IP address.
    case badHost
    /// A port that is no number from 1 to 65535, or is missing.
    case badPort
    /// An address without the public key of the peer, so nobody could be authenticated there.
    case missingKey
    /// A public key that is not 32 bytes in canonical Base64.
    case badKey
    /// An id that is not `@`, a public key in canonical Base64, `.ed25519`.
    case badID
    /// A tunnel address without both the portal's id and the target's.
    case missingID
    /// A blinded address that shows no target, in a form that has to.
    case missingTarget
    /// A value in the place of a portal that is not 32 bytes in canonical Base64.
    case badBlindedValue
    /// A portal blinded in a form that is not spoken here, which is named.
    case unknownBlinding(String)
    /// An instance that is a number but not a plain whole one.
    case badInstance
    /// The key in `~shs:` is another one than the target's.
    case keyIsNotTheTargets
    /// An invite code of a portal: it carries a secret and is redeemed, not dialled.
    case inviteCode
    /// No invite code of a portal: there is no seed in it, or the one that gives no rights.
    case noInvite
    /// A list of alternatives in which two have different keys: they are not one portal's.
    case severalKeys
    /// A list of more alternatives than are kept of one portal.
    case tooManyAlternatives(Int, limit: Int)
    /// The seed of an invite code is not 32 bytes in canonical Base64.
    case badSeed
}

extension AddressError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    public var description: String {
        switch self {
        case .empty: "the address is empty: write one like \(Self.peerForm)"
        case .tooLong(let count, let limit):
            "the address has \(count) bytes, more than \(limit): copy only the address, nothing around it"
        case .malformed(let offset):
            "the address breaks at character \(offset + 1): copy it again, whole and without spaces"
        case .unknownProtocol(let name):
            "addresses that begin with '\(name)' cannot be dialled: "
                + "use one of the form \(Self.peerForm) or \(Self.tunnelForm)"
        case .badHost:
            "the host is neither a name nor an IP address: "
                + "write a name, 192.0.2.1 or [2001:db8::1] in front of the port"
        case .badPort: "the port is missing or no number from 1 to 65535: write HOST:PORT, usually port 8008"
        case .missingKey: "the address has no public key: append ~shs: and the key of the peer"
        case .badKey:
            "the public key is not 44 characters of Base64 that end in '=': copy it again, whole"
        case .badID:
            "an id is not of the form @KEY.ed25519 with a KEY of 44 characters: copy it again, whole"
        case .missingID: "the tunnel address does not name a portal and a target: write \(Self.tunnelForm)"
        case .missingTarget: "the blinded address has lost its target: copy it again, whole"
        case .badBlindedValue:
            "the blinded portal is not 44 characters of Base64 that end in '=': copy the address again, whole"
        case .unknownBlinding(let form):
            "the portal is blinded in the form '\(form)', and only hmac1 and circle1 are known: "
                + "ask for the plain address"
        case .badInstance: "the instance is no plain whole number: write 0, or leave it out"
        case .keyIsNotTheTargets:
            "the key after ~shs: is not the target's: one of the two was changed, ask for the address again"
        case .inviteCode:
            "this is an invite code and no address: it holds a secret, so keep it and redeem it instead"
        case .noInvite:
            "this is no invite to a portal: it has the form HOST:PORT:@KEY.ed25519~SEED; "
                + "an open portal needs none"
        case .severalKeys:
            "the addresses between ';' are those of one portal, and these have different keys: give each portal alone"
        case .tooManyAlternatives(let count, let limit):
            "the list has \(count) addresses, and a portal has \(limit) at most: give it one name that leads to all"
        case .badSeed:
            "the seed of the invite is not 44 characters of Base64 that end in '=': copy it again, whole"
        }
    }

    private static let peerForm = "net:HOST:PORT~shs:KEY"
    private static let tunnelForm = "tunnel:@PORTAL.ed25519:@TARGET.ed25519:0~shs:KEY"
}
