package import Blinding
internal import LMDB

/// An invite as the one who made it keeps it: without its seed, so that nobody can redeem what stands here.
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
    package internal(set) var usesLeft: Int
    /// When it was made, in Unix seconds.
    package let createdAt: UInt64
    /// When it ends, in Unix seconds.
    package let expiry: UInt64?
    /// Why and when it was closed; `nil` while it is open.
    package internal(set) var closing: Closing?
    /// The sequence number of the keyring at which it was made.
    package let sequence: UInt64
    /// Whether its tokens are announced; still for some days after it was closed, so that its holder can be told.
    package internal(set) var isEntry: Bool
}

extension InviteRecord {
    /// Why and since when it admits nobody at a time in Unix seconds; one whose time has passed is closed in the
    /// keyring only when a node serves.
    package func closing(at now: UInt64) -> Closing? { Closing.closing(closing, expiry, now) }
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

    /// The closing of an invite, whose time may have passed meanwhile.
    static func closing(_ closing: Closing?, _ expiry: UInt64?, _ now: UInt64) -> Closing? {
        closing ?? expiry.flatMap { $0 <= now ? Closing(reason: .expired, at: $0) : nil }
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

/// An invite as it is stored under its key.
struct StoredInvite: StoredRecord {
    static let table = Table("invites")

    var label: String
    var services: ServiceGrant
    var uses, usesLeft: UInt16
    var createdAt: UInt64
    var expiry: UInt64?
    var closing: Closing?
    var sequence: UInt64
    var isEntry: Bool

    init(_ draft: InviteDraft, now: UInt64, sequence: UInt64) throws(KeyringError) {
        label = draft.label
        services = try draft.services.checked()
        uses = UInt16(draft.uses)
        usesLeft = uses
        createdAt = now
        expiry = draft.expiry
        self.sequence = sequence
        isEntry = true
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        label = try reader.text()
        services = try reader.services()
        uses = try reader.shortNumber()
        usesLeft = try reader.shortNumber()
        createdAt = try reader.number()
        expiry = try reader.optional { (reader) throws(RecordFault) in try reader.number() }
        closing = try reader.optional { (reader) throws(RecordFault) in try reader.closing() }
        sequence = try reader.number()
        isEntry = try reader.flag()
        guard usesLeft <= uses, usesLeft > 0 || closing != nil else { throw RecordFault() }
    }

    func write(to writer: inout RecordWriter) {
        writer.add(label)
        writer.add(services)
        writer.add(uses)
        writer.add(usesLeft)
        writer.add(createdAt)
        writer.add(optional: expiry) { $0.add($1) }
        writer.add(optional: closing) { $0.add($1) }
        writer.add(sequence)
        writer.add(isEntry)
    }

    func invite(_ key: InviteKey) -> InviteRecord {
        InviteRecord(
            key: key, label: label, services: services, uses: Int(uses), usesLeft: Int(usesLeft),
            createdAt: createdAt, expiry: expiry, closing: closing, sequence: sequence, isEntry: isEntry)
    }
}

extension RecordWriter {
    mutating func add(_ closing: Closing) {
        add(closing.reason.rawValue)
        add(closing.at)
    }
}

extension RecordReader {
    mutating func closing() throws(RecordFault) -> Closing {
        guard let reason = Closing.Reason(rawValue: try byte()) else { throw RecordFault() }
        return Closing(reason: reason, at: try number())
    }
}
