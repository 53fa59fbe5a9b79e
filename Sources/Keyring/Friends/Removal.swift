/// A friend who was removed, and what became of the invites that admitted it.
public struct Removal: Hashable, Sendable {
    /// What was known about it.
    public let friend: Friend
    /// Every invite that admitted it, or may have, as far as it is remembered; the newest first.
    public let invites: [InviteOfRemoved]
}

/// An invite that admitted somebody who was removed, or may have.
public struct InviteOfRemoved: Hashable, Sendable {
    /// As it was before; it is closed now.
    public let invite: InviteRecord
    /// Whether it is known that it admitted them; else it is closed because it was made before every redemption was
    /// recorded, and may have.
    public let isRecorded: Bool
    /// The other friends who came by it, as far as that was recorded.
    public let others: [Friend]

    /// Whether somebody else could still have come by it, who needs another one now.
    public var wasOpen: Bool { invite.closing == nil }
}
