package import Blinding
internal import LMDB
package import TypedSodium

/// Whom a portal serves.
package enum Audience: UInt8, Hashable, Sendable {
    /// Everyone who is not denied.
    case everyone = 0
    /// Members only.
    case members = 1
}

/// What a portal asks of those who announce themselves, and of those who call.
package struct AudiencePolicy: Hashable, Sendable {
    /// Who may announce.
    package internal(set) var announcers: Audience
    /// Who may call.
    package internal(set) var callers: Audience
}

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

/// Somebody whom a portal serves in nothing.
package struct Denial: Hashable, Sendable {
    /// Who it is.
    package let key: PublicKey
    /// Since when, in Unix seconds.
    package let since: UInt64

    /// Puts the two together.
    package init(key: PublicKey, since: UInt64) {
        self.key = key
        self.since = since
    }
}

/// An invite to a portal, without its seed.
package struct MemberInvite: Hashable, Sendable {
    /// Its public half.
    package let key: InviteKey
    /// Whom it is for, in the operator's words.
    package let label: String
    /// How many may come by it.
    package let uses: Int
    /// How many still may.
    package let usesLeft: Int
    /// When it was made, in Unix seconds.
    package let createdAt: UInt64
    /// When it ends, in Unix seconds.
    package let expiry: UInt64?
    /// Why and when it was closed; `nil` while it is open.
    package let closing: Closing?
}

extension MemberInvite {
    /// Why and since when it admits nobody at a time in Unix seconds; see ``InviteRecord/closing(at:)``.
    package func closing(at now: UInt64) -> Closing? { Closing.closing(closing, expiry, now) }
}

/// What became of somebody who redeems an invite to a portal.
package enum MemberRedemption: Hashable, Sendable {
    /// A member from now on, or already; fresh where it was not one before.
    case admitted(isFresh: Bool)
    /// No member by this invite; ``RedeemRefusal/removed`` for somebody who is denied, or was removed since it was made.
    case refused(RedeemRefusal)
}

/// The policy as it is stored among the single records.
struct StoredPolicy: StoredRecord {
    static let table = StateNumber.table
    static let key = Array(StateKey.policy.rawValue.utf8)

    var policy: AudiencePolicy

    init(_ policy: AudiencePolicy) { self.policy = policy }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        guard let announcers = Audience(rawValue: try reader.byte()),
            let callers = Audience(rawValue: try reader.byte())
        else { throw RecordFault() }
        policy = AudiencePolicy(announcers: announcers, callers: callers)
    }

    func write(to writer: inout RecordWriter) {
        writer.add(policy.announcers.rawValue)
        writer.add(policy.callers.rawValue)
    }
}

/// A member, or somebody who was one, as it is stored under its key.
///
/// Invariants: who is no member any more was removed; no invite made before the removal admits that key again.
struct StoredMember: StoredRecord {
    static let table = Table("members")
    static let format: UInt8 = 2

    /// What is known of a member.
    struct Membership {
        var label: String
        let since: UInt64
        let invite: InviteKey?
        var uses: InviteUses
    }

    /// `nil` for somebody who was removed.
    var membership: Membership?
    /// The sequence number at which it was last removed; `nil` for somebody who never was.
    var removedAt: UInt64?

    init(_ membership: Membership?, removedAt: UInt64?) {
        self.membership = membership
        self.removedAt = removedAt
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        guard reader.version >= 2 else {
            let (label, since) = (try reader.text(), try reader.number())
            let invite = try reader.optional { (reader) throws(RecordFault) in InviteKey(try reader.key()) }
            membership = Membership(
                label: label, since: since, invite: invite, uses: InviteUses(firstOnly: invite, at: since))
            return
        }
        membership = try reader.optional { (reader) throws(RecordFault) in
            Membership(
                label: try reader.text(), since: try reader.number(),
                invite: try reader.optional { (reader) throws(RecordFault) in InviteKey(try reader.key()) },
                uses: try reader.inviteUses())
        }
        removedAt = try reader.optional { (reader) throws(RecordFault) in try reader.number() }
        guard membership != nil || removedAt != nil else { throw RecordFault() }
    }

    func write(to writer: inout RecordWriter) {
        writer.add(optional: membership) { writer, membership in
            writer.add(membership.label)
            writer.add(membership.since)
            writer.add(optional: membership.invite) { $0.add($1.publicKey) }
            writer.add(membership.uses)
        }
        writer.add(optional: removedAt) { $0.add($1) }
    }

    func member(_ key: PublicKey) -> Member? {
        membership.map {
            Member(key: key, label: $0.label, since: $0.since, invite: $0.invite, uses: $0.uses)
        }
    }
}

/// A denial as it is stored under the key.
struct StoredDenial: StoredRecord {
    static let table = Table("denied")

    let since: UInt64

    init(since: UInt64) { self.since = since }

    init(_ reader: inout RecordReader) throws(RecordFault) { since = try reader.number() }

    func write(to writer: inout RecordWriter) { writer.add(since) }
}

/// A member invite as it is stored under its key.
struct StoredMemberInvite: StoredRecord {
    static let table = Table("memberInvites")
    static let format: UInt8 = 2

    let label: String
    let uses: UInt16
    var usesLeft: UInt16
    let createdAt: UInt64
    let expiry: UInt64?
    var closing: Closing?
    /// The sequence number of the keyring at which it was made; 0 where it was not noted.
    let sequence: UInt64

    init(label: String, uses: Int, expiry: UInt64?, now: UInt64, sequence: UInt64) {
        self.sequence = sequence
        self.label = label
        self.uses = UInt16(uses)
        usesLeft = UInt16(uses)
        createdAt = now
        self.expiry = expiry
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        label = try reader.text()
        uses = try reader.shortNumber()
        usesLeft = try reader.shortNumber()
        createdAt = try reader.number()
        expiry = try reader.optional { (reader) throws(RecordFault) in try reader.number() }
        closing = try reader.optional { (reader) throws(RecordFault) in try reader.closing() }
        sequence = reader.version < 2 ? 0 : try reader.number()
        guard usesLeft <= uses, usesLeft > 0 || closing != nil else { throw RecordFault() }
    }

    func write(to writer: inout RecordWriter) {
        writer.add(label)
        writer.add(uses)
        writer.add(usesLeft)
        writer.add(createdAt)
        writer.add(optional: expiry) { $0.add($1) }
        writer.add(optional: closing) { $0.add($1) }
        writer.add(sequence)
    }

    func invite(_ key: InviteKey) -> MemberInvite {
        MemberInvite(
            key: key, label: label, uses: Int(uses), usesLeft: Int(usesLeft), createdAt: createdAt,
            expiry: expiry, closing: closing)
    }
}
