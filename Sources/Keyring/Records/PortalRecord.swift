public import Blinding
internal import LMDB

/// A portal that the owner has named: where it listens, and whether this node announces itself there.
///
/// Invariant: its hosts are several places of one portal, so all have one key and one manner; eight at most.
public struct PortalRecord: Hashable, Sendable {
    /// How many hosts of one portal are kept: as many places as a grant or an invite names.
    public static let hostCountLimit = InviteCode.portalCountLimit

    /// Which one, its first host, and whether the node is open there.
    public let portal: InvitePortal
    /// Its other hosts, in the order in which they were added.
    public let others: [InvitePortal]
    /// Since when, in Unix seconds.
    public let addedAt: UInt64
    /// Whether this node announces itself there; it is else a portal of friends, dialled to reach them.
    public let isAnnounced: Bool

    /// Puts the parts together.
    public init(
        portal: InvitePortal, others: [InvitePortal] = [], addedAt: UInt64, isAnnounced: Bool = true
    ) {
        self.portal = portal
        self.others = others
        self.addedAt = addedAt
        self.isAnnounced = isAnnounced
    }

    /// Every host, the first one first.
    public var hosts: [InvitePortal] { [portal] + others }
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
        var others: [InvitePortal] = []
        let count = Int(try reader.byte())
        guard count < Self.hostCountLimit else { throw RecordFault() }
        for _ in 0..<count {
            others.append(try portal.at(host: try reader.text(), port: try reader.shortNumber()))
        }
        self.init(portal: portal, others: others, addedAt: addedAt, isAnnounced: isAnnounced)
    }

    func write(to writer: inout RecordWriter) {
        precondition(others.count < Self.hostCountLimit, "hosts are counted before they are stored")
        writer.add(portal)
        writer.add(addedAt)
        writer.add(isAnnounced)
        writer.add(UInt8(others.count))
        for other in others {
            writer.add(other.host)
            writer.add(other.port)
        }
    }
}

extension InvitePortal {
    /// The same portal at another host.
    fileprivate func at(host: String, port: UInt16) throws(RecordFault) -> InvitePortal {
        do throws(InviteCodeError) {
            return try InvitePortal(key: key, host: host, port: port, isOpen: isOpen, shownKey: shownKey)
        } catch {
            throw RecordFault()
        }
    }

    /// The same host with the manner of another one of the same portal.
    func inManner(of other: InvitePortal) throws(KeyringError) -> InvitePortal {
        do throws(InviteCodeError) {
            return try InvitePortal(
                key: key, host: host, port: port, isOpen: other.isOpen, shownKey: other.shownKey)
        } catch {
            throw .invite(error)
        }
    }

    /// Whether it is the same host of the same portal, however the node is announced there.
    public func isSamePlace(as other: InvitePortal) -> Bool {
        key == other.key && host == other.host && port == other.port
    }
}

extension [PortalRecord] {
    /// Where to find the owner, in the order in which to try: the first host of each portal, then the others as far as
    /// there is room for them in a grant or an invite.
    public var places: [InvitePortal] {
        let room = InviteCode.portalCountLimit - count
        return map(\.portal) + flatMap(\.others).prefix(Swift.max(0, room))
    }
}
