/// What blinding refuses, invite codes apart.
package enum BlindingError: Error, Equatable, Sendable {
    /// Two that must be different have one key.
    case sameKey
    /// A public key with which nothing secret can be agreed on: no point of the curve, or one outside of its main
    /// subgroup.
    case unusableKey
    /// A text that is not a token in its one spelling.
    case notAToken
    /// A chain key goes forward only: it says nothing about an epoch before its own.
    case epochPassed(Epoch, chainKey: Epoch)
    /// So many days ahead of a chain key that the clock is wrong, not the key old.
    case tooManySteps(UInt64, limit: UInt64)
    /// Guarded memory could not be had: the process has used up its locked memory or its memory maps.
    case outOfGuardedMemory
}

extension BlindingError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    package var description: String {
        switch self {
        case .sameKey: "both sides have the same key: nobody can be their own friend, portal or invite"
        case .unusableKey:
            "the public key is not one that a key pair has: ask for the id again, from its owner"
        case .notAToken: "a token is 44 characters of Base64 and '.token1'"
        case .epochPassed(let epoch, let chainKey):
            "day \(epoch.number) is before day \(chainKey.number), with which the key begins: check the clock"
        case .tooManySteps(let count, let limit):
            "the key is \(count) days old, more than \(limit): check the clock"
        case .outOfGuardedMemory:
            "no locked memory is left for another secret: raise the limits on locked memory and memory maps"
        }
    }
}
