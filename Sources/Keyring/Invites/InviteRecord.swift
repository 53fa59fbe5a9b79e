package import Blinding
internal import LMDB

/// An invite as the one who made it keeps it: without its seed, so that nobody can redeem what stands here.
///
/// Friends' invites, which make friends of the keyring's owner, and members', which make members of its portal, are
/// kept alike; a member's gives no services, and is no entry.
package struct InviteRecord: Hashable, Sendable {
    /// Its public half.
    package let key: InviteKey
    /// Whom it is for, in the owner's words.
    package let label: String
    /// What those who come by it may open.
    package let services: ServiceGrant
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
    /// The sequence number of the keyring at which it was made; 0 where that was not noted.
    package let sequence: UInt64
    /// Whether its tokens are announced; still for some days after it was closed, so that its holder can be told.
    package let isEntry: Bool

    /// Why and since when it admits nobody at a time in Unix seconds; one whose time has passed is closed in the
    /// keyring only when a node serves.
    package func closing(at now: UInt64) -> Closing? {
        closing ?? expiry.flatMap { $0 <= now ? Closing(reason: .expired, at: $0) : nil }
    }
}

/// That an invite admits nobody any more.
package struct Closing: Hashable, Sendable {
    /// Why.
    package enum Reason: UInt8, Hashable, Sendable {
        /// As many came by it as may.
        case usedUp = 0
        /// Its maker took it back.
        case revoked = 1
        /// Its time has passed.
        case expired = 2
    }

    /// Why.
    package let reason: Reason
    /// When, in Unix seconds.
    package let at: UInt64

    /// Puts the two together.
    package init(reason: Reason, at: UInt64) {
        self.reason = reason
        self.at = at
    }

    /// Whether it is so many seconds old.
    func isOver(_ seconds: UInt64, at now: UInt64) -> Bool { now >= at && now - at >= seconds }
}

extension Closing: StoredField {
    init(_ reader: inout RecordReader) throws(RecordFault) {
        guard let reason = Reason(rawValue: try reader.byte()) else { throw RecordFault() }
        self.init(reason: reason, at: try reader.number())
    }

    func write(to writer: inout RecordWriter) {
        writer.add(reason.rawValue)
        writer.add(at)
    }
}

/// What an invite is to be.
package struct InviteDraft: Hashable, Sendable {
    /// The most that one invite can admit.
    package static let useLimit = 1_000
    /// The longest label in bytes.
    package static let labelByteCountLimit = 256

    /// Whom it is for; who comes by it is called so.
    package var label: String
    /// What those who come by it may open.
    package var services: ServiceGrant
    /// How many may come by it, from 1 to ``useLimit``.
    package var uses: Int
    /// When it ends, in Unix seconds; `nil` for never.
    package var expiry: UInt64?

    /// Describes an invite.
    package init(label: String, services: ServiceGrant = .all, uses: Int = 1, expiry: UInt64? = nil) {
        self.label = label
        self.services = services
        self.uses = uses
        self.expiry = expiry
    }

    func check(now: UInt64) throws(KeyringError) {
        guard (1...Self.useLimit).contains(uses) else { throw .badUseCount(uses) }
        guard label.utf8.count <= Self.labelByteCountLimit else { throw .labelTooLong(label.utf8.count) }
        if let expiry, expiry <= now { throw .expiryPassed(expiry, now: now) }
        _ = try services.checked()
    }
}

/// Which invites a table holds, and in which form.
protocol InviteKind {
    static var table: Table { get }
    static var format: UInt8 { get }
    /// From which format on it is noted when an invite was made.
    static var sequencedFormat: UInt8 { get }
    /// Whether they give services, and are entries as long as they are announced.
    static var isAnnounced: Bool { get }
}

/// Invites that make friends of the keyring's owner.
enum FriendInviteKind: InviteKind {
    static let table = Table("invites")
    static let format: UInt8 = 1
    static let sequencedFormat: UInt8 = 1
    static let isAnnounced = true
}

/// Invites that make members of the owner's portal.
enum MemberInviteKind: InviteKind {
    static let table = Table("memberInvites")
    static let format: UInt8 = 2
    static let sequencedFormat: UInt8 = 2
    static let isAnnounced = false
}

typealias FriendInvite = StoredInvite<FriendInviteKind>
typealias MemberInvite = StoredInvite<MemberInviteKind>

/// An invite as it is stored under its key.
///
/// Invariants: it has no more uses left than it had; without any left it is closed.
struct StoredInvite<Kind: InviteKind>: StoredRecord {
    static var table: Table { Kind.table }
    static var format: UInt8 { Kind.format }

    let label: String
    let services: ServiceGrant
    let uses: UInt16
    private(set) var usesLeft: UInt16
    let createdAt: UInt64
    let expiry: UInt64?
    private(set) var closing: Closing?
    let sequence: UInt64
    private(set) var isEntry: Bool

    init(_ draft: InviteDraft, now: UInt64, sequence: UInt64) throws(KeyringError) {
        label = draft.label
        services = Kind.isAnnounced ? try draft.services.checked() : .only([])
        uses = UInt16(draft.uses)
        usesLeft = uses
        createdAt = now
        expiry = draft.expiry
        self.sequence = sequence
        isEntry = Kind.isAnnounced
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        label = try reader.text()
        services = Kind.isAnnounced ? try ServiceGrant(&reader) : .only([])
        uses = try reader.shortNumber()
        usesLeft = try reader.shortNumber()
        createdAt = try reader.number()
        expiry = try reader.optional { (reader) throws(RecordFault) in try reader.number() }
        closing = try reader.optional { (reader) throws(RecordFault) in try Closing(&reader) }
        sequence = reader.version < Kind.sequencedFormat ? 0 : try reader.number()
        isEntry = Kind.isAnnounced ? try reader.flag() : false
        guard isSound else { throw RecordFault() }
    }

    func write(to writer: inout RecordWriter) {
        assert(isSound, "an invite has counted its uses wrong")
        writer.add(label)
        if Kind.isAnnounced { services.write(to: &writer) }
        writer.add(uses)
        writer.add(usesLeft)
        writer.add(createdAt)
        writer.add(optional: expiry) { $0.add($1) }
        writer.add(optional: closing) { $1.write(to: &$0) }
        writer.add(sequence)
        if Kind.isAnnounced { writer.add(isEntry) }
    }

    private var isSound: Bool { usesLeft <= uses && (usesLeft > 0 || closing != nil) }

    /// Why it does not admit somebody who was last removed at a sequence number; `nil` when it does.
    func refusal(removedAt: UInt64?, now: UInt64) -> RedeemRefusal? {
        if let removedAt, removedAt > sequence { return .removed }
        if let closing { return RedeemRefusal(closing.reason) }
        if let expiry, now >= expiry { return .expired }
        return nil
    }

    /// Counts somebody who came by it; the last one closes it.
    mutating func countDown(now: UInt64) {
        usesLeft -= 1
        if usesLeft == 0 { closing = Closing(reason: .usedUp, at: now) }
    }

    /// Closes it where it is open.
    ///
    /// - Returns: whether it was.
    mutating func close(_ reason: Closing.Reason, now: UInt64) -> Bool {
        guard closing == nil else { return false }
        closing = Closing(reason: reason, at: now)
        return true
    }

    /// Announces it no more.
    mutating func leaveEntries() { isEntry = false }

    func invite(_ key: InviteKey) -> InviteRecord {
        InviteRecord(
            key: key, label: label, services: services, uses: Int(uses), usesLeft: Int(usesLeft),
            createdAt: createdAt, expiry: expiry, closing: closing, sequence: sequence, isEntry: isEntry)
    }
}
