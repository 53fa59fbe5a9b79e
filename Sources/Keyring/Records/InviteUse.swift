package import Blinding

/// That an invite admitted somebody, and when.
package struct InviteUse: Hashable, Sendable {
    /// Which invite.
    package let invite: InviteKey
    /// When, in Unix seconds.
    package let at: UInt64

    /// Puts the two together.
    package init(invite: InviteKey, at: UInt64) {
        self.invite = invite
        self.at = at
    }
}

/// The invites that admitted somebody: a friend, or a member of a portal.
///
/// Invariants: each invite stands in it once; it has cost a use each time, and costs none again; when whoever it is
/// about is removed, every one of them is closed. Where the list is not complete, so is every invite that was made
/// before redemptions were recorded: any of them may belong in it.
package struct InviteUses: Hashable, Sendable {
    /// From how many on those are let go whose invites are not remembered any more; they were closed long ago.
    static let tidyCount = 64

    /// In the order in which they were redeemed.
    package internal(set) var list: [InviteUse]
    /// Whether these are all; not for somebody who was admitted by a version of this program that recorded only the
    /// first.
    package internal(set) var isComplete: Bool

    /// None as yet.
    init() {
        list = []
        isComplete = true
    }

    /// What an earlier version knew: the invite that somebody came by first, if any.
    init(firstOnly invite: InviteKey?, at: UInt64) {
        list = invite.map { [InviteUse(invite: $0, at: at)] } ?? []
        isComplete = false
    }

    /// Whether an invite is among them.
    package func contains(_ invite: InviteKey) -> Bool { list.contains { $0.invite == invite } }

    /// Notes an invite that is not among them.
    mutating func add(
        _ invite: InviteKey, at now: UInt64, isRemembered: (InviteKey) throws(KeyringError) -> Bool
    ) throws(KeyringError) {
        if list.count >= Self.tidyCount {
            var kept: [InviteUse] = []
            for use in list where try isRemembered(use.invite) { kept.append(use) }
            list = kept
        }
        guard list.count < UInt16.max else {
            throw .tooManyEntries(list.count + 1, limit: Int(UInt16.max))
        }
        list.append(InviteUse(invite: invite, at: now))
    }
}

extension RecordWriter {
    mutating func add(_ uses: InviteUses) {
        add(uses.isComplete)
        precondition(uses.list.count <= UInt16.max, "uses are counted before they are stored")
        add(UInt16(uses.list.count))
        for use in uses.list {
            add(use.invite.publicKey)
            add(use.at)
        }
    }
}

extension RecordReader {
    mutating func inviteUses() throws(RecordFault) -> InviteUses {
        var uses = InviteUses()
        uses.isComplete = try flag()
        for _ in 0..<(try shortNumber()) {
            let use = InviteUse(invite: InviteKey(try key()), at: try number())
            guard !uses.contains(use.invite) else { throw RecordFault() }
            uses.list.append(use)
        }
        return uses
    }
}
