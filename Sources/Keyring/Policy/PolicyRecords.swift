public import Blinding
internal import LMDB
public import Sodium

/// Whom a portal serves.
public enum Audience: UInt8, Hashable, Sendable {
    /// Everyone who is not denied.
    case everyone = 0
    /// Members only.
    case members = 1
}

/// What a portal asks of those who announce themselves, and of those who call.
public struct AudiencePolicy: Hashable, Sendable {
    /// Who may announce.
    public internal(set) var announcers: Audience
    /// Who may call.
    public internal(set) var callers: Audience
}

/// A member of a portal.
public struct Member: Hashable, Sendable {
    /// Who it is: the key that it shows to this portal.
    public let key: PublicKey
    /// Whom the operator takes it for.
    public let label: String
    /// Since when, in Unix seconds.
    public let since: UInt64
    /// The invite that it came by; `nil` for one that was added by its id.
    public let invite: InviteKey?
}

/// Somebody whom a portal serves in nothing.
public struct Denial: Hashable, Sendable {
    /// Who it is.
    public let key: PublicKey
    /// Since when, in Unix seconds.
    public let since: UInt64

    /// Puts the two together.
    public init(key: PublicKey, since: UInt64) {
        self.key = key
        self.since = since
    }
}

/// An invite to a portal, without its seed.
public struct MemberInvite: Hashable, Sendable {
    /// Its public half.
    public let key: InviteKey
    /// Whom it is for, in the operator's words.
    public let label: String
    /// How many may come by it.
    public let uses: Int
    /// How many still may.
    public let usesLeft: Int
    /// When it was made, in Unix seconds.
    public let createdAt: UInt64
    /// When it ends, in Unix seconds.
    public let expiry: UInt64?
    /// Why and when it was closed; `nil` while it is open.
    public let closing: Closing?
}

/// What became of somebody who redeems an invite to a portal.
public enum MemberRedemption: Hashable, Sendable {
    /// A member from now on, or already; fresh where it was not one before.
    case admitted(isFresh: Bool)
    /// No member by this invite; ``RedeemRefusal/removed`` for somebody who is denied.
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

/// A member as it is stored under its key.
struct StoredMember: StoredRecord {
    static let table = Table("members")

    let label: String
    let since: UInt64
    let invite: InviteKey?

    init(label: String, since: UInt64, invite: InviteKey?) {
        self.label = label
        self.since = since
        self.invite = invite
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        label = try reader.text()
        since = try reader.number()
        invite = try reader.optional { (reader) throws(RecordFault) in InviteKey(try reader.key()) }
    }

    func write(to writer: inout RecordWriter) {
        writer.add(label)
        writer.add(since)
        writer.add(optional: invite) { $0.add($1.publicKey) }
    }

    func member(_ key: PublicKey) -> Member { Member(key: key, label: label, since: since, invite: invite) }
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

    let label: String
    let uses: UInt16
    var usesLeft: UInt16
    let createdAt: UInt64
    let expiry: UInt64?
    var closing: Closing?

    init(label: String, uses: Int, expiry: UInt64?, now: UInt64) {
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
        guard usesLeft <= uses, usesLeft > 0 || closing != nil else { throw RecordFault() }
    }

    func write(to writer: inout RecordWriter) {
        writer.add(label)
        writer.add(uses)
        writer.add(usesLeft)
        writer.add(createdAt)
        writer.add(optional: expiry) { $0.add($1) }
        writer.add(optional: closing) { $0.add($1) }
    }

    func invite(_ key: InviteKey) -> MemberInvite {
        MemberInvite(
            key: key, label: label, uses: Int(uses), usesLeft: Int(usesLeft), createdAt: createdAt,
            expiry: expiry, closing: closing)
    }
}
