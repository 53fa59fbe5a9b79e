/// A friend who was removed, and what became of the invites that admitted it.
package struct Removal: Hashable, Sendable {
    /// What was known about it.
    package let friend: Friend
    /// Every invite that admitted it, or may have, as far as it is remembered; the newest first.
    package let invites: [InviteOfRemoved]
}

/// An invite that admitted somebody who was removed, or may have.
package struct InviteOfRemoved: Hashable, Sendable {
    /// As it was before; it is closed now.
    package let invite: InviteRecord
    /// Whether it is known that it admitted them; else it is closed because it was made before every redemption was
    /// recorded, and may have.
    package let isRecorded: Bool
    /// The other friends who came by it, as far as that was recorded.
    package let others: [Friend]

    /// Whether somebody else could still have come by it, who needs another one now.
    package var wasOpen: Bool { invite.closing == nil }
}
