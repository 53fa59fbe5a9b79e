/// Why a text is no invite code, or parts do not make one.
package enum InviteCodeError: Error, Equatable, Sendable {
    /// More bytes than any invite code has.
    case tooLong(Int, limit: Int)
    /// It does not begin as an invite code of this kind does.
    case wrongPrefix
    /// There is a `=` at the end, so it was printed by another program.
    case padded
    /// The character at this offset in bytes does not belong in an invite code.
    case foreignCharacter(offset: Int)
    /// No number of whole bytes has this spelling: a character too many or too few, or a wrong one at the end.
    case notCanonical
    /// It ends before everything that it announces has come.
    case truncated
    /// Its parts are all there, but not as they were printed.
    case wrongChecksum
    /// It was printed by a version that did not name the key which a hidden endpoint shows its portals.
    case olderLayout
    /// It is of a later version.
    case unknownVersion(UInt8)
    /// No date can be that far away: Unix seconds, which end below 2⁵³.
    case expiryTooLarge(UInt64)
    /// It names no portal, so the endpoint could not be found.
    case noPortal
    /// It names more portals than an invite may.
    case tooManyPortals(Int, limit: Int)
    /// A portal has properties that are not known here.
    case unknownFlags(UInt8)
    /// An endpoint is hidden at a portal, and the key that it shows there is not named.
    case noPseudonym
    /// A portal is named twice, once as one where the endpoint is open and once as one where it is hidden.
    case openAndHidden
    /// A portal is named twice, with two keys that the endpoint would show there.
    case severalPseudonyms
    /// A portal has no host.
    case emptyHost
    /// A portal's host has more bytes than a name can have.
    case hostTooLong(Int, limit: Int)
    /// A portal's host is neither a name nor an IP address.
    case badHost
    /// A portal's port is 0, at which nobody listens.
    case badPort
    /// This many bytes stand behind the last portal.
    case trailingBytes(Int)
    /// Guarded memory could not be had: the process has used up its locked memory or its memory maps.
    case outOfGuardedMemory
}

extension InviteCodeError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    package var description: String {
        switch self {
        case .tooLong, .wrongPrefix, .padded, .foreignCharacter, .notCanonical, .truncated, .wrongChecksum:
            "the invite code \(copyingMistake)"
        case .olderLayout: "the invite code was made by an older cway; ask for a new one"
        case .unknownVersion(let version):
            "the invite code is of version \(version): a later program understands it"
        case .outOfGuardedMemory:
            "no locked memory is left for another secret: raise the limits on locked memory and memory maps"
        default: "the invite \(wrongPart): ask for another one"
        }
    }

    private var copyingMistake: String {
        switch self {
        case .tooLong(let count, let limit):
            "has \(count) bytes, more than \(limit): copy only the code, nothing around it"
        case .wrongPrefix: "does not begin with '\(InviteCode.prefix)': copy it again, whole"
        case .padded: "ends with '=': leave that out"
        case .foreignCharacter(let offset):
            "has a character at \(offset + 1) that does not belong there: copy only the code, without spaces"
        case .notCanonical:
            "has a character too many or too few, or a wrong one at its end: copy it again, whole"
        case .truncated: "ends too early: copy it again, whole"
        default: "has a typing error: copy it again, whole"
        }
    }

    private var wrongPart: String {
        switch self {
        case .expiryTooLarge: "has an impossible expiry"
        case .noPortal: "names no portal"
        case .tooManyPortals(let count, let limit): "names \(count) portals, more than \(limit)"
        case .unknownFlags: "has a portal of an unknown kind"
        case .noPseudonym: "names a portal without the key that its endpoint shows there"
        case .openAndHidden: "names a portal as open and as hidden"
        case .severalPseudonyms: "names a portal with two keys"
        case .emptyHost: "has a portal without a host"
        case .hostTooLong(let count, let limit):
            "has a portal whose host has \(count) bytes, more than \(limit)"
        case .badHost: "has a portal whose host is neither a name nor an IP address"
        case .badPort: "has a portal with port 0"
        case .trailingBytes(let count): "has \(count) bytes too many"
        default: "cannot be used"
        }
    }
}
