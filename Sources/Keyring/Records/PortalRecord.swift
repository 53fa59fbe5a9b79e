public import Blinding
internal import LMDB

/// A portal at which this node announces itself.
public struct PortalRecord: Hashable, Sendable {
    /// Which one, where, and whether the node is open there.
    public let portal: InvitePortal
    /// Since when, in Unix seconds.
    public let addedAt: UInt64

    /// Puts the two together.
    public init(portal: InvitePortal, addedAt: UInt64) {
        self.portal = portal
        self.addedAt = addedAt
    }
}

extension PortalRecord: StoredRecord {
    static let table = Table("portals")
    static let format: UInt8 = 2

    init(_ reader: inout RecordReader) throws(RecordFault) {
        self.init(portal: try reader.portal(), addedAt: try reader.number())
    }

    func write(to writer: inout RecordWriter) {
        writer.add(portal)
        writer.add(addedAt)
    }
}
