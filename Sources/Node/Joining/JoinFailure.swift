internal import Blinding
internal import Tunnel

/// Why an invite was not redeemed.
public enum JoinFailure: Error, Equatable, Sendable {
    /// Nothing to be done about it: the invite will never be good again.
    public enum Refusal: Equatable, Sendable, CaseIterable {
        /// As many as may have redeemed it.
        case usedUp
        /// The owner has taken it back.
        case revoked
        /// Its time is over, by the owner's clock.
        case expired
        /// The owner has removed this node; only a later invite makes it a friend again.
        case removed
    }

    /// The owner's node has refused the invite.
    case refused(Refusal)
    /// A hop failed on the way; what was stored stays, and the same command goes on from there.
    case unreachable(HopFailure)
    /// The owner's node said yes and cannot be reached under this node's own key yet; the friend is stored.
    case notYetReachable(HopFailure)
    /// The owner's node answered with words that mean nothing here.
    case other(String)

    /// What the owner's node answers, by its words.
    init(answer words: String) {
        self =
            switch words {
            case InviteAnswer.usedUp: .refused(.usedUp)
            case InviteAnswer.revoked: .refused(.revoked)
            case InviteAnswer.expired: .refused(.expired)
            case InviteAnswer.removed: .refused(.removed)
            default: .other(words)
            }
    }
}

/// The words with which an owner's node refuses an invite.
///
/// Source: protocol.md, section 5.
enum InviteAnswer {
    static let usedUp = "invite used up"
    static let revoked = "invite revoked"
    static let expired = "invite expired"
    static let removed = "removed"
}

extension JoinFailure: CustomStringConvertible {
    /// The cause and the remedy, for people.
    public var description: String {
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
