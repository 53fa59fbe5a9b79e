internal import Blinding
package import Invitation
internal import LMDB

/// A portal that the owner has named: where it listens, and whether this node announces itself there.
///
/// Invariant: it has eight hosts at most.
package struct PortalRecord: Hashable, Sendable {
    /// How many hosts of one portal are kept: as many places as a grant or an invite names.
    package static let hostCountLimit = InviteCode.portalCountLimit

    /// Which one, its hosts in the order in which they were added, and whether the node is open there.
    package let portal: PortalAddress
    /// Since when, in Unix seconds.
    package let addedAt: UInt64
    /// Whether this node announces itself there; it is else a portal of friends, dialled to reach them.
    package let isAnnounced: Bool

    /// Puts the parts together.
    package init(portal: PortalAddress, addedAt: UInt64, isAnnounced: Bool = true) {
        self.portal = portal
        self.addedAt = addedAt
        self.isAnnounced = isAnnounced
    }

    /// Where to find the owner of portals, in the order in which to try: the first host of each, then the others as far
    /// as there is room for them in a grant or an invite.
    package static func places(of portals: [PortalRecord]) -> [PortalAddress] {
        let room = InviteCode.portalCountLimit - portals.count
        return portals.map(\.portal.atFirstHost)
            + portals.flatMap { $0.portal.places.dropFirst() }.prefix(max(0, room))
    }
}

extension PortalRecord: StoredRecord {
    static let table = Table("portals")
    static let format: UInt8 = 3

    init(_ reader: inout RecordReader) throws(RecordFault) {
        let portal = try reader.portal()
        let addedAt = try reader.number()
        // Earlier formats knew one host of each portal, at which the node was announced.
        guard reader.version >= 3 else {
            self.init(portal: portal, addedAt: addedAt)
            return
        }
        let isAnnounced = try reader.flag()
        var hosts = portal.hosts
        let count = Int(try reader.byte())
        guard count < Self.hostCountLimit else { throw RecordFault() }
        for _ in 0..<count { hosts.append(try reader.host()) }
        guard let portal = portal.at(hosts) else { throw RecordFault() }
        self.init(portal: portal, addedAt: addedAt, isAnnounced: isAnnounced)
    }

    func write(to writer: inout RecordWriter) {
        let others = portal.others
        precondition(others.count < Self.hostCountLimit, "hosts are counted before they are stored")
        writer.add(portal.atFirstHost)
        writer.add(addedAt)
        writer.add(isAnnounced)
        writer.add(UInt8(others.count))
        for other in others {
            writer.add(other.name)
            writer.add(other.port)
        }
    }
}
