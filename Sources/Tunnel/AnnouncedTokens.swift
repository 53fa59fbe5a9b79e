package import Blinding
internal import MuxRPC
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

/// The tokens that a hidden endpoint answers on one connection, and the announcement that may be under way.
///
/// While one is, the portal may already call by its tokens and may still call by the former ones, so both are
/// answered. One that is asked for meanwhile waits, and a later one takes its place.
struct AnnouncedTokens {
    private typealias Entries = [PairToken: TokenEntry]

    private struct Asked {
        let announcement: AnnouncementID
        let call: RequestNumber
        let entries: Entries
    }

    private var taken: Entries = [:]
    private var asked: Asked?
    private var waiting: (announcement: AnnouncementID, entries: [TokenEntry])?
    private var last: UInt64 = 0

    /// Whether an answer is awaited.
    var isOutstanding: Bool { asked != nil }

    /// The entry of a token, where that is announced.
    func entry(for token: PairToken) -> TokenEntry? {
        asked?.entries[token] ?? taken[token]
    }

    mutating func makeID() -> AnnouncementID {
        last += 1
        return AnnouncementID(rawValue: last)
    }

    /// Keeps an announcement until the one before is answered, in the place of any other that waits.
    mutating func wait(_ announcement: AnnouncementID, _ entries: [TokenEntry]) {
        waiting = (announcement, entries)
    }

    /// The announcement that has waited, if any.
    mutating func takeWaiting() -> (announcement: AnnouncementID, entries: [TokenEntry])? {
        defer { waiting = nil }
        return waiting
    }

    /// The portal was asked to take these.
    mutating func ask(_ announcement: AnnouncementID, _ entries: [TokenEntry], by call: RequestNumber) {
        let entries = Entries(entries.map { ($0.token, $0) }) { first, _ in first }
        asked = Asked(announcement: announcement, call: call, entries: entries)
    }

    /// The portal has answered a call: which announcement that was, if it was one.
    mutating func answered(_ call: RequestNumber, isTaken: Bool) -> AnnouncementID? {
        guard let asked, asked.call == call else { return nil }
        self.asked = nil
        if isTaken { taken = asked.entries }
        return asked.announcement
    }
}
