package import TypedSodium

/// One change of who may do what, as it stands in the stream that all machines apply.
///
/// | bytes | |
/// |---|---|
/// | 1 | version, 1 |
/// | 8 | its index: 1 for the first, and its number in the stream |
/// | 32 | the hash of the one before; zeros before the first |
/// | 16 | random, so that a machine recognises its own |
/// | rest | what changes, up to 48 KiB |
package struct PolicyRecord: Equatable, Sendable {
    /// What may change in one record, in bytes.
    package static let bodyByteCountLimit = 49_152
    /// The longest record in bytes.
    package static let byteCountLimit = headByteCount + bodyByteCountLimit

    private static let headByteCount = 57
    private static let version: UInt8 = 1

    /// Its place.
    package let index: UInt64
    /// The hash of the record before.
    package let previous: FixedBytes<32>
    /// Tells this record from every other one.
    package let salt: MachineID
    /// What changes.
    package let body: [UInt8]

    init(behind mark: PolicyMark, salt: MachineID, body: [UInt8]) {
        index = mark.index + 1
        previous = mark.hash
        self.salt = salt
        self.body = body
    }

    /// Reads a record.
    ///
    /// - Throws: ``ClusterError``.
    package init(decoding bytes: [UInt8]) throws(ClusterError) {
        guard bytes.count <= Self.byteCountLimit else { throw .tooLong(bytes.count) }
        var reader = ClusterReader(bytes)
        guard try reader.number() == Self.version else { throw .malformed }
        index = try reader.number()
        previous = try reader.fixed()
        salt = try reader.machine()
        body = Array(bytes.dropFirst(Self.headByteCount))
    }

    /// The bytes to be sealed.
    package func encoded() -> [UInt8] {
        var writer = ClusterWriter(capacity: Self.headByteCount + body.count)
        writer.write(Self.version)
        writer.write(index)
        writer.write(previous)
        writer.write(salt)
        return writer.bytes + body
    }

    /// Its index and its hash, H("companionway/1/cluster-record", record).
    package var mark: PolicyMark {
        var hash = GenericHash(label: "companionway/1/cluster-record")
        hash.update(encoded().span)
        return PolicyMark(index: index, hash: hash.finalize())
    }
}
