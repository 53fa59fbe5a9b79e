/// Asks a machine for its open ids, and for what has been hidden there since a time.
package struct ListQuery: Equatable, Sendable {
    static let byteCount = 16

    /// The asker's number for it, never used before: an answer that has it is no repetition of an older one.
    package let nonce: UInt64
    /// Hidden claims with this time or a later one are wanted too: the asker may have missed them.
    package let hiddenSince: HybridTime

    /// A query.
    package init(nonce: UInt64, hiddenSince: HybridTime) {
        self.nonce = nonce
        self.hiddenSince = hiddenSince
    }

    func write(to writer: inout ClusterWriter) {
        writer.write(nonce)
        writer.write(hiddenSince.value)
    }
}

extension ListQuery {
    init(from reader: inout ClusterReader) throws(ClusterError) {
        nonce = try reader.number()
        hiddenSince = try reader.time()
    }
}

/// A part of a machine's list: 64 KiB at most on the wire.
package struct ListPart: Equatable, Sendable {
    /// How many claims stand in one part.
    package static let limit =
        (ClusterEnvelope.byteCountLimit - ClusterEnvelope.headByteCount - headByteCount) / Claim.byteCount
    /// How many parts a list has at most: those of 16,000 open ids, and of as many hidden ones as a machine holds.
    package static let countLimit = 1_024

    private static let headByteCount = 8 + 8 + 2 + 2 + 1 + 2

    /// The query's number.
    package let nonce: UInt64
    /// The number of the last batch that is in the list.
    package let claimNumber: UInt64
    /// Which part it is.
    package let index: Int
    /// How many parts there are, one at least.
    package let count: Int
    /// Whether the machine has more open ids than are listed anywhere; then none of them are here.
    package let isOverfull: Bool
    /// The claims.
    package let claims: [Claim]

    /// The parts of a whole list, one at least.
    package static func parts(
        of claims: [Claim], answering nonce: UInt64, at claimNumber: UInt64, isOverfull: Bool
    ) -> [ListPart] {
        let count = min(max(1, (claims.count + limit - 1) / limit), countLimit)
        return (0..<count).map { index in
            ListPart(
                nonce: nonce, claimNumber: claimNumber, index: index, count: count, isOverfull: isOverfull,
                claims: Array(claims.dropFirst(index * limit).prefix(limit)))
        }
    }

    var byteCount: Int { Self.headByteCount + claims.count * Claim.byteCount }

    func write(to writer: inout ClusterWriter) {
        writer.write(nonce)
        writer.write(claimNumber)
        writer.write(UInt16(index))
        writer.write(UInt16(count))
        writer.write(isOverfull ? 1 : 0 as UInt8)
        writer.write(UInt16(claims.count))
        for claim in claims { claim.write(to: &writer) }
    }
}

extension ListPart {
    init(from reader: inout ClusterReader) throws(ClusterError) {
        nonce = try reader.number()
        claimNumber = try reader.number()
        index = try reader.count(limit: Self.countLimit - 1)
        count = try reader.count(limit: Self.countLimit)
        guard index < count else { throw .malformed }
        let flag: UInt8 = try reader.number()
        guard flag <= 1 else { throw .malformed }
        isOverfull = flag == 1
        let claimCount = try reader.count(limit: Self.limit)
        var claims: [Claim] = []
        claims.reserveCapacity(claimCount)
        for _ in 0..<claimCount { claims.append(try Claim(from: &reader)) }
        self.claims = claims
    }
}
