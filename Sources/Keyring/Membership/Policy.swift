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

/// A denial as it is stored under the key.
struct StoredDenial: StoredRecord {
    static let table = Table("denied")

    let since: UInt64

    init(since: UInt64) { self.since = since }

    init(_ reader: inout RecordReader) throws(RecordFault) { since = try reader.number() }

    func write(to writer: inout RecordWriter) { writer.add(since) }
}
