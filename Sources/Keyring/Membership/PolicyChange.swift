package import Blinding
package import TypedSodium

/// A change of what a portal's operator decides, and of who is a member by an invite.
///
/// A portal on one machine makes it in its own keyring. Of a portal on several machines it stands in a log, from which
/// each of them makes it in its keyring, in the same order and with the same outcome.
package enum PolicyChange: Hashable, Sendable {
    /// Who may announce, and who may call; `nil` stays as it is.
    case audiences(announcers: Audience?, callers: Audience?)
    /// Somebody is a member, or is called so from now on.
    case member(PublicKey, label: String)
    /// Somebody is no member any more, and the invites that admitted it are closed.
    case removal(PublicKey)
    /// Somebody is served in nothing.
    case denial(PublicKey)
    /// Somebody is served again.
    case allowance(PublicKey)
    /// There is an invite, of which nobody but its maker has the seed.
    case invite(InviteKey, label: String, uses: Int, expiry: UInt64?)
    /// An invite is taken back.
    case revocation(InviteKey)
    /// Somebody redeems an invite.
    case redemption(MemberRequest)
    /// Part of a keyring that the log begins with.
    case imported(PolicyImport)
}

/// What came of a change.
package enum PolicyOutcome: Equatable, Sendable {
    /// It is made; or was so already.
    case made
    /// There was nothing to change: nobody was denied, or the invite was not open.
    case unchanged
    /// A member was removed.
    case removed(MemberRemoval)
    /// An invite was redeemed, or not.
    case redemption(Redemption)
    /// It is not possible.
    case refused(KeyringError)
    /// A keyring is being imported, until the end of which nothing else changes.
    case importUnderWay
}

/// Changes that are made at once, at one time, as they stand in a record of the log.
///
/// | bytes | |
/// |---|---|
/// | 1 | version, 1 |
/// | 8 | when, in Unix seconds |
/// | 2 | how many changes follow, up to ``limit`` |
/// | rest | each: its kind, 1, and its fields |
///
/// | kind | fields |
/// |---|---|
/// | 1 audiences | announcers and callers, each 1 and the audience, or 0 |
/// | 2 member | key, label |
/// | 3 removal, 4 denial, 5 allowance | key |
/// | 6 invite | key, label, uses 2, and 1 and its expiry 8, or 0 |
/// | 7 revocation | key |
/// | 8 redemption | the invite's key, the new member's |
/// | 9 imported | see ``PolicyImport`` |
///
/// Numbers have their most significant byte first; a text has its length, 2, in front.
package struct PolicyChanges: Hashable, Sendable {
    /// How many changes stand together.
    package static let limit = 256
    /// The longest form in bytes.
    package static let byteCountLimit = 49_152

    /// Why bytes are no changes.
    package enum Fault: Error, Equatable, Sendable {
        /// They are of a later version of this program, or none at all.
        case unknown
    }

    private static let version: UInt8 = 1

    /// When they are made, in Unix seconds: what expires does so by this clock, on every machine.
    package let time: UInt64
    /// The changes, in order.
    package let list: [PolicyChange]

    /// Changes at a time.
    package init(_ list: [PolicyChange], at time: UInt64) {
        precondition(list.count <= Self.limit, "changes are counted before they are written")
        self.list = list
        self.time = time
    }

    /// Reads changes.
    ///
    /// - Throws: ``Fault``.
    package init(decoding bytes: [UInt8]) throws(Fault) {
        guard bytes.count <= Self.byteCountLimit, bytes.first == Self.version else { throw .unknown }
        var reader = RecordReader(bytes, version: Self.version)
        do throws(RecordFault) {
            _ = try reader.byte()
            time = try reader.number()
            let count = Int(try reader.shortNumber())
            guard count <= Self.limit else { throw RecordFault() }
            var list: [PolicyChange] = []
            for _ in 0..<count { list.append(try PolicyChange(&reader)) }
            try reader.finish()
            self.list = list
        } catch {
            throw .unknown
        }
    }

    /// Their bytes.
    package func encoded() -> [UInt8] {
        var writer = RecordWriter()
        writer.add(Self.version)
        writer.add(time)
        writer.add(UInt16(list.count))
        for change in list { change.write(to: &writer) }
        return writer.bytes
    }
}

extension PolicyChange: StoredField {
    private enum Kind: UInt8 {
        case audiences = 1
        case member, removal, denial, allowance, invite, revocation, redemption, imported
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        guard let kind = Kind(rawValue: try reader.byte()) else { throw RecordFault() }
        switch kind {
        case .audiences:
            self = .audiences(announcers: try Self.audience(&reader), callers: try Self.audience(&reader))
        case .member: self = .member(try reader.key(), label: try Self.label(&reader))
        case .removal: self = .removal(try reader.key())
        case .denial: self = .denial(try reader.key())
        case .allowance: self = .allowance(try reader.key())
        case .invite:
            let (key, label) = (InviteKey(try reader.key()), try Self.label(&reader))
            let uses = Int(try reader.shortNumber())
            guard (1...InviteDraft.useLimit).contains(uses) else { throw RecordFault() }
            let expiry = try reader.optional { (reader) throws(RecordFault) in try reader.number() }
            self = .invite(key, label: label, uses: uses, expiry: expiry)
        case .revocation: self = .revocation(InviteKey(try reader.key()))
        case .redemption:
            self = .redemption(MemberRequest(invite: InviteKey(try reader.key()), feed: try reader.key()))
        case .imported: self = .imported(try PolicyImport(&reader))
        }
    }

    private static func audience(_ reader: inout RecordReader) throws(RecordFault) -> Audience? {
        try reader.optional { (reader) throws(RecordFault) in
            guard let audience = Audience(rawValue: try reader.byte()) else { throw RecordFault() }
            return audience
        }
    }

    private static func label(_ reader: inout RecordReader) throws(RecordFault) -> String {
        let label = try reader.text()
        guard label.utf8.count <= InviteDraft.labelByteCountLimit else { throw RecordFault() }
        return label
    }

    func write(to writer: inout RecordWriter) {
        switch self {
        case .audiences(let announcers, let callers):
            writer.add(Kind.audiences.rawValue)
            writer.add(optional: announcers) { $0.add($1.rawValue) }
            writer.add(optional: callers) { $0.add($1.rawValue) }
        case .member(let key, let label):
            writer.add(Kind.member.rawValue)
            writer.add(key)
            writer.add(label)
        case .removal(let key): Self.write(.removal, key, to: &writer)
        case .denial(let key): Self.write(.denial, key, to: &writer)
        case .allowance(let key): Self.write(.allowance, key, to: &writer)
        case .invite(let key, let label, let uses, let expiry):
            Self.write(.invite, key.publicKey, to: &writer)
            writer.add(label)
            writer.add(UInt16(clamping: uses))
            writer.add(optional: expiry) { $0.add($1) }
        case .revocation(let key): Self.write(.revocation, key.publicKey, to: &writer)
        case .redemption(let request):
            Self.write(.redemption, request.invite.publicKey, to: &writer)
            writer.add(request.feed)
        case .imported(let part):
            writer.add(Kind.imported.rawValue)
            part.write(to: &writer)
        }
    }

    private static func write(_ kind: Kind, _ key: PublicKey, to writer: inout RecordWriter) {
        writer.add(kind.rawValue)
        writer.add(key)
    }
}
