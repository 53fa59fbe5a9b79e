package import NIOCore

/// When a connection's announcement may change again, and what its peer wants of it then.
///
/// One change an interval, by whichever means. A peer that wants more is not refused: what it wanted last happens at the
/// end of the interval. Hidden announcements are not kept for later; they are refused, and their senders know when to
/// come again.
package struct AnnouncementPace: Sendable {
    /// What the peer wants to be, in the open.
    package enum Wish: Equatable, Sendable {
        /// Announced.
        case announced(PortalDirectory.Manner)
        /// Not announced.
        case left
    }

    /// Whether a hidden announcement is being carried out.
    package var isBusy = false
    /// What waits for the end of the interval.
    package private(set) var wish: Wish?

    private let interval: TimeAmount
    private var readyAt: NIODeadline?

    /// Nothing has changed yet.
    package init(interval: TimeAmount) { self.interval = interval }

    /// When ``takeDue(at:)`` has something.
    package var deadline: NIODeadline? { wish == nil || isBusy ? nil : readyAt }

    /// Whether the announcement may change at once.
    package func mayChange(at now: NIODeadline) -> Bool {
        !isBusy && wish == nil && readyAt.map { $0 <= now } ?? true
    }

    /// The announcement changes now.
    package mutating func changes(at now: NIODeadline) { readyAt = now + interval }

    /// Keeps what the peer wants, in the place of what it wanted before.
    package mutating func wait(for wish: Wish) {
        // To subscribe asks for less than what an announcement has asked for.
        if wish == .announced(.subscription), self.wish == .announced(.explicit) { return }
        self.wish = wish
    }

    /// What is to happen now, where something waits and the interval is over.
    package mutating func takeDue(at now: NIODeadline) -> Wish? {
        guard let deadline, deadline <= now else { return nil }
        defer { wish = nil }
        return wish
    }
}
