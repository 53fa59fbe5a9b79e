package import TypedSodium

/// How a key is announced, as far as other machines need it.
package struct ClaimManner: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// By an announcement, not a mere subscription.
    package static let explicit = ClaimManner(rawValue: 1)
    /// By tokens: the key is in no list, and is not found.
    package static let hidden = ClaimManner(rawValue: 2)

    fileprivate static let known: ClaimManner = [.explicit, .hidden]
}

/// "This key is announced here": which key, since when, and how.
package struct Claim: Hashable, Sendable {
    /// The length in bytes.
    static let byteCount = 41

    /// What is announced.
    package let key: PublicKey
    /// Given once, at the announcement, and repeated ever after.
    package let time: HybridTime
    /// How.
    package let manner: ClaimManner

    /// A claim.
    package init(_ key: PublicKey, _ time: HybridTime, _ manner: ClaimManner) {
        self.key = key
        self.time = time
        self.manner = manner
    }

    /// Whether it counts for more than another of the same key: explicit beats subscription, then the later one.
    func isBetter(on machine: MachineID, than other: Claim, on otherMachine: MachineID) -> Bool {
        let (isExplicit, otherIsExplicit) = (manner.contains(.explicit), other.manner.contains(.explicit))
        guard isExplicit == otherIsExplicit else { return isExplicit }
        return ClaimStamp(time, machine) > ClaimStamp(other.time, otherMachine)
    }

    func write(to writer: inout ClusterWriter) {
        writer.write(key.bytes)
        writer.write(time.value)
        writer.write(manner.rawValue)
    }
}

extension Claim {
    init(from reader: inout ClusterReader) throws(ClusterError) {
        key = PublicKey(try reader.fixed())
        time = try reader.time()
        manner = ClaimManner(rawValue: try reader.number())
        guard manner.isSubset(of: .known) else { throw .malformed }
    }
}

/// Announcements that have begun, or ended, on the sender; hidden ones travel as open ones do.
package struct ClaimBatch: Equatable, Sendable {
    /// How many stand in one message.
    package static let limit = 1_000

    /// Counts the sender's batches of both kinds from 1; 0 for what is repeated to one machine alone.
    package let number: UInt64
    /// The claims.
    package let claims: [Claim]

    /// A batch.
    package init(number: UInt64, claims: [Claim]) {
        self.number = number
        self.claims = claims
    }

    /// Claims that are repeated to one machine.
    static func repeated(_ claims: [Claim]) -> [ClaimBatch] {
        stride(from: 0, to: claims.count, by: limit).map {
            ClaimBatch(number: 0, claims: Array(claims[$0..<min($0 + limit, claims.count)]))
        }
    }

    var byteCount: Int { 8 + 2 + claims.count * Claim.byteCount }

    func write(to writer: inout ClusterWriter) {
        writer.write(number)
        writer.write(UInt16(claims.count))
        for claim in claims { claim.write(to: &writer) }
    }
}

extension ClaimBatch {
    init(from reader: inout ClusterReader) throws(ClusterError) {
        number = try reader.number()
        let count = try reader.count(limit: Self.limit)
        var claims: [Claim] = []
        claims.reserveCapacity(count)
        for _ in 0..<count { claims.append(try Claim(from: &reader)) }
        self.claims = claims
    }
}

/// Tells sets of claims apart: a sum of their hashes, which is kept up as claims come and go.
package struct ClaimSetHash: Hashable, Sendable {
    private(set) var first: UInt64 = 0
    private(set) var second: UInt64 = 0

    /// Of these claims.
    package init(_ claims: some Sequence<Claim> = EmptyCollection<Claim>()) {
        for claim in claims { insert(claim) }
    }

    init(first: UInt64, second: UInt64) {
        self.first = first
        self.second = second
    }

    mutating func insert(_ claim: Claim) {
        let hash = Self(of: claim)
        first &+= hash.first
        second &+= hash.second
    }

    mutating func remove(_ claim: Claim) {
        let hash = Self(of: claim)
        first &-= hash.first
        second &-= hash.second
    }

    private init(of claim: Claim) {
        var writer = ClusterWriter(capacity: Claim.byteCount)
        claim.write(to: &writer)
        var hash = GenericHash(label: "companionway/1/cluster-claim")
        hash.update(writer.bytes.span)
        let machine = MachineHalves(hash.finalize())
        first = machine.first
        second = machine.second
    }

    /// The first sixteen bytes of a digest as two numbers.
    private struct MachineHalves {
        var first: UInt64 = 0
        var second: UInt64 = 0

        init(_ digest: FixedBytes<32>) {
            for index in 0..<8 {
                first = first << 8 | UInt64(digest.storage[index])
                second = second << 8 | UInt64(digest.storage[8 + index])
            }
        }
    }
}
