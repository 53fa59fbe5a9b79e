package import Keyring

/// Why an invite was not redeemed.
package enum JoinFailure: Error, Equatable, Sendable {
    /// The owner's node has refused the invite, for good.
    case refused(RedeemRefusal)
    /// A hop failed on the way; what was stored stays, and the same command goes on from there.
    case unreachable(HopFailure)
    /// The owner's node said yes and cannot be reached under this node's own key yet; the friend is stored.
    case notYetReachable(HopFailure)
    /// The owner's node answered with words that mean nothing here.
    case other(String)

    /// What the owner's node answers, by its words.
    init(answer words: String) {
        self = RedeemRefusal(rawValue: words).map { .refused($0) } ?? .other(words)
    }
}

extension JoinFailure: CustomStringConvertible {
    /// The cause and the remedy, for people.
    package var description: String {
        switch self {
        case .refused(.usedUp): "the invite is used up: somebody else has redeemed it; ask for another one"
        case .refused(.revoked): "the invite was revoked by its owner: ask for another one"
        case .refused(.expired): "the invite has expired, by the owner's clock: ask for another one"
        case .refused(.removed):
            "the owner has removed this node from their friends: only a later invite lets it in again"
        case .unreachable(.targetAbsent), .unreachable(.friendAbsent):
            "the owner's node is not at its portal now, or the invite ended more than a week ago: "
                + "run the same command again when the node is online"
        case .unreachable(.innerHandshakeRefused), .unreachable(.innerHandshakeTimedOut):
            "the owner's node does not take this invite any more: ask for another one"
        case .unreachable(let failure): "\(failure); run the same command again afterwards"
        case .notYetReachable(let failure):
            "the invite is redeemed and the friend is stored, but a first visit failed (\(failure)): "
                + "run the same command again later"
        case .other(let words): "the owner's node refused the invite: \(words)"
        }
    }
}
