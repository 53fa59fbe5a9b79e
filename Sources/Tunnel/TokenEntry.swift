package import Blinding
package import TypedSodium

/// One token of a hidden endpoint's announcement, and whom it lets in.
package struct TokenEntry: Hashable, Sendable {
    /// What the portal gets to know.
    package let token: PairToken
    /// Who alone may come by it: a friend or an invite; `nil` for a ghost, by which nobody may.
    package let owner: PublicKey?

    /// A token and its owner.
    package init(token: PairToken, owner: PublicKey?) {
        self.token = token
        self.owner = owner
    }
}

/// One announcement of tokens on a connection; a later one is greater.
package struct AnnouncementID: Hashable, Comparable, Sendable {
    let rawValue: UInt64

    /// Whether the left one was asked for earlier.
    package static func < (left: AnnouncementID, right: AnnouncementID) -> Bool {
        left.rawValue < right.rawValue
    }
}
