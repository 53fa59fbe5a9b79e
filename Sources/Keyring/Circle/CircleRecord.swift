internal import Blinding
internal import Invitation
internal import LMDB
internal import TypedSodium

/// The chain key of a circle, sealed under the key of the vault: the owner's own stands under the owner's key, a
/// friend's under the friend's.
struct CircleRecord: StoredRecord {
    static let table = Table("circles")

    let generation: UInt64
    let epoch: Epoch
    var sealed: SealedKey

    init(generation: UInt64, epoch: Epoch, sealed: SealedKey) {
        self.generation = generation
        self.epoch = epoch
        self.sealed = sealed
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        generation = try reader.number()
        epoch = Epoch(try reader.number())
        sealed = try SealedKey(&reader)
    }

    func write(to writer: inout RecordWriter) {
        writer.add(generation)
        writer.add(epoch.number)
        sealed.write(to: &writer)
    }
}

/// An invite that the owner of the keyring has accepted and not yet redeemed, under the endpoint's key; its seed
/// is sealed under the key of the vault.
struct PendingRecord: StoredRecord {
    static let table = Table("pending")
    static let format: UInt8 = 2

    let expiry: UInt64?
    let portals: [PortalAddress]
    var sealed: SealedKey

    init(expiry: UInt64?, portals: [PortalAddress], sealed: SealedKey) {
        self.expiry = expiry
        self.portals = portals
        self.sealed = sealed
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        expiry = try reader.optional { (reader) throws(RecordFault) in try reader.number() }
        portals = try reader.portals()
        sealed = try SealedKey(&reader)
    }

    func write(to writer: inout RecordWriter) {
        writer.add(optional: expiry) { $0.add($1) }
        writer.add(portals)
        sealed.write(to: &writer)
    }
}
