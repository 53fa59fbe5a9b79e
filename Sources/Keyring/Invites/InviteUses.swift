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

extension InviteUses: StoredField {
    init(_ reader: inout RecordReader) throws(RecordFault) {
        list = []
        isComplete = try reader.flag()
        for _ in 0..<(try reader.shortNumber()) {
            let use = InviteUse(invite: InviteKey(try reader.key()), at: try reader.number())
            guard !contains(use.invite) else { throw RecordFault() }
            list.append(use)
        }
    }

    func write(to writer: inout RecordWriter) {
        writer.add(isComplete)
        precondition(list.count <= UInt16.max, "uses are counted before they are stored")
        writer.add(UInt16(list.count))
        for use in list {
            writer.add(use.invite.publicKey)
            writer.add(use.at)
        }
    }
}
