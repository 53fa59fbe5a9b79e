package import Blinding
internal import LMDB
package import TypedSodium

/// A member of a portal.
package struct Member: Hashable, Sendable {
    /// Who it is: the key that it shows to this portal.
    package let key: PublicKey
    /// Whom the operator takes it for.
    package let label: String
    /// Since when, in Unix seconds.
    package let since: UInt64
    /// The invite that it came by first; `nil` for one that was added by its id.
    package let invite: InviteKey?
    /// Every invite that admitted it, the first among them, as far as they were recorded.
    package let uses: InviteUses
}

/// A member, or somebody who was one, as it is stored under its key.
///
/// Invariants: who is no member any more was removed; no invite made before the removal admits that key again.
struct StoredMember: StoredRecord {
    static let table = Table("members")
    static let format: UInt8 = 2

    /// What is known of a member.
    struct Standing {
        var label: String
        let since: UInt64
        let invite: InviteKey?
        var uses: InviteUses
    }

    /// `nil` for somebody who was removed.
    var membership: Standing?
    /// The sequence number at which it was last removed; `nil` for somebody who never was.
    var removedAt: UInt64?

    init(_ membership: Standing?, removedAt: UInt64?) {
        self.membership = membership
        self.removedAt = removedAt
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        guard reader.version >= 2 else {
            let (label, since) = (try reader.text(), try reader.number())
            let invite = try reader.optional { (reader) throws(RecordFault) in InviteKey(try reader.key()) }
            membership = Standing(
                label: label, since: since, invite: invite, uses: InviteUses(firstOnly: invite, at: since))
            return
        }
        membership = try reader.optional { (reader) throws(RecordFault) in
            Standing(
                label: try reader.text(), since: try reader.number(),
                invite: try reader.optional { (reader) throws(RecordFault) in InviteKey(try reader.key()) },
                uses: try InviteUses(&reader))
        }
        removedAt = try reader.optional { (reader) throws(RecordFault) in try reader.number() }
        guard membership != nil || removedAt != nil else { throw RecordFault() }
    }

    func write(to writer: inout RecordWriter) {
        writer.add(optional: membership) { writer, membership in
            writer.add(membership.label)
            writer.add(membership.since)
            writer.add(optional: membership.invite) { $0.add($1.publicKey) }
            membership.uses.write(to: &writer)
        }
        writer.add(optional: removedAt) { $0.add($1) }
    }

    func member(_ key: PublicKey) -> Member? {
        membership.map {
            Member(key: key, label: $0.label, since: $0.since, invite: $0.invite, uses: $0.uses)
        }
    }
}
