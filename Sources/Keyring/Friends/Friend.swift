package import Blinding
package import Invitation
internal import LMDB
package import TypedSodium

/// Somebody in the keyring: one record for a key, two relations.
package struct Friend: Hashable, Sendable {
    /// Who it is.
    package let key: PublicKey
    /// What the owner calls it; nobody else in the keyring has the same name.
    package internal(set) var name: String
    /// That it may reach the owner.
    package internal(set) var admission: Admission?
    /// That the owner can reach it.
    package internal(set) var reach: Reach?
    /// When it was last seen, in Unix seconds.
    package internal(set) var lastSeen: UInt64?
    /// Where it was last reached: worth trying first.
    package internal(set) var lastPlace: PortalPlace?
}

/// A host of a portal: where it was dialled, and which key it proved.
package struct PortalPlace: Hashable, Sendable {
    /// The portal's key.
    package let key: PublicKey
    /// A name, or an IP address without brackets.
    package let host: String
    /// The port.
    package let port: UInt16

    /// Puts the three together.
    package init(key: PublicKey, host: String, port: UInt16) {
        self.key = key
        self.host = host
        self.port = port
    }
}

/// That a friend may reach the owner of the keyring.
package struct Admission: Hashable, Sendable {
    /// What the friend may open.
    package internal(set) var services: ServiceGrant
    /// The invite that it came by first; `nil` for one that was admitted by its id.
    package internal(set) var invite: InviteKey?
    /// Since when, in Unix seconds.
    package internal(set) var since: UInt64
    /// The sequence number of the keyring at which it was admitted.
    package internal(set) var sequence: UInt64
    /// Every invite that admitted it, the first among them, as far as they were recorded.
    package internal(set) var uses: InviteUses
}

/// That the owner of the keyring can reach a friend.
package struct Reach: Hashable, Sendable {
    /// What the friend's node calls itself, as its last grant said.
    package internal(set) var nodeName: String?
    /// Where it is found, in the order in which to try.
    package internal(set) var portals: [PortalAddress]
    /// Whether an invite has yet to be redeemed.
    package internal(set) var isPending: Bool
    /// The generation of its circle whose key is known; `nil` when none is.
    package internal(set) var generation: UInt64?
    /// The first day that the key can tell.
    package internal(set) var epoch: Epoch?
}

/// A friend as it is stored under its key; generation and epoch stand with the chain key, ``CircleRecord``.
struct FriendRecord: StoredRecord {
    static let table = Table("friends")
    static let format: UInt8 = 2

    var name: String
    var admission: Admission?
    var reach: Reach?

    init(name: String, admission: Admission? = nil, reach: Reach? = nil) {
        self.name = name
        self.admission = admission
        self.reach = reach
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        name = try reader.text()
        admission = try reader.optional { (reader) throws(RecordFault) in
            let services = try ServiceGrant(&reader)
            let invite = try reader.optional { (reader) throws(RecordFault) in InviteKey(try reader.key()) }
            let (since, sequence) = (try reader.number(), try reader.number())
            // The first format knew no others.
            let uses =
                reader.version < 2
                ? InviteUses(firstOnly: invite, at: since) : try InviteUses(&reader)
            return Admission(
                services: services, invite: invite, since: since, sequence: sequence, uses: uses)
        }
        reach = try reader.optional { (reader) throws(RecordFault) in
            Reach(
                nodeName: try reader.optional { (reader) throws(RecordFault) in try reader.text() },
                portals: try reader.portals(), isPending: try reader.flag())
        }
    }

    func write(to writer: inout RecordWriter) {
        writer.add(name)
        writer.add(optional: admission) { writer, admission in
            admission.services.write(to: &writer)
            writer.add(optional: admission.invite) { $0.add($1.publicKey) }
            writer.add(admission.since)
            writer.add(admission.sequence)
            admission.uses.write(to: &writer)
        }
        writer.add(optional: reach) { writer, reach in
            writer.add(optional: reach.nodeName) { $0.add($1) }
            writer.add(reach.portals)
            writer.add(reach.isPending)
        }
    }
}
