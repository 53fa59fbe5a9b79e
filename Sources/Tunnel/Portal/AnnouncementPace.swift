public import NIOCore

/// When a connection's announcement may change again, and what its peer wants of it then.
///
/// One change an interval, by whichever means. A peer that wants more is not refused: what it wanted last happens at the
/// end of the interval. Hidden announcements are not kept for later; they are refused, and their senders know when to
/// come again.
public struct AnnouncementPace: Sendable {
    /// What the peer wants to be, in the open.
    public enum Wish: Equatable, Sendable {
        /// Announced.
        case announced(PortalDirectory.Manner)
        /// Not announced.
        case left
    }

    /// Whether a hidden announcement is being carried out.
    public var isBusy = false
    /// What waits for the end of the interval.
    public private(set) var wish: Wish?

    private let interval: TimeAmount
    private var readyAt: NIODeadline?
    /// Until when the peer is to answer something, of whose identity another connection has announced itself.
    private var answerDeadline: NIODeadline?

    /// Nothing has changed yet.
    public init(interval: TimeAmount) { self.interval = interval }

    /// When ``takeDue(at:)`` has something, or ``hasFallenSilent(at:)`` has become true.
    public var deadline: NIODeadline? { [wishDeadline, answerDeadline].compactMap(\.self).min() }

    private var wishDeadline: NIODeadline? { wish == nil || isBusy ? nil : readyAt }

    /// The peer is asked something, which it has to answer until then.
    public mutating func asks(until deadline: NIODeadline) { answerDeadline = deadline }

    /// The peer has answered something.
    public mutating func answered() { answerDeadline = nil }

    /// Whether the peer has not answered in time.
    public func hasFallenSilent(at now: NIODeadline) -> Bool { answerDeadline.map { $0 <= now } ?? false }

    /// Whether the announcement may change at once.
    public func mayChange(at now: NIODeadline) -> Bool {
        !isBusy && wish == nil && readyAt.map { $0 <= now } ?? true
    }

    /// The announcement changes now.
    public mutating func changes(at now: NIODeadline) { readyAt = now + interval }

    /// Keeps what the peer wants, in the place of what it wanted before.
    public mutating func wait(for wish: Wish) {
        // To subscribe asks for less than what an announcement has asked for.
        if wish == .announced(.subscription), self.wish == .announced(.explicit) { return }
        self.wish = wish
    }

    /// What is to happen now, where something waits and the interval is over.
    public mutating func takeDue(at now: NIODeadline) -> Wish? {
        guard let wishDeadline, wishDeadline <= now else { return nil }
        defer { wish = nil }
        return wish
    }
}
