public import Blinding
public import Sodium

/// One token of a hidden endpoint's announcement, and whom it lets in.
public struct TokenEntry: Hashable, Sendable {
    /// What the portal gets to know.
    public let token: PairToken
    /// Who alone may come by it: a friend or an invite; `nil` for a ghost, by which nobody may.
    public let owner: PublicKey?

    /// A token and its owner.
    public init(token: PairToken, owner: PublicKey?) {
        self.token = token
        self.owner = owner
    }
}

/// One announcement of tokens on a connection; a later one is greater.
public struct AnnouncementID: Hashable, Comparable, Sendable {
    let rawValue: UInt64

    /// Whether the left one was asked for earlier.
    public static func < (left: AnnouncementID, right: AnnouncementID) -> Bool {
        left.rawValue < right.rawValue
    }
}
