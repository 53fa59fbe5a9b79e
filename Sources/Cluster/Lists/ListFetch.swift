internal import NIOCore
internal import TypedSodium

/// A list that is being fetched from another machine.
///
/// Hidden claims are not kept here: each part's are compared with ours as it comes.
struct ListFetch: Sendable {
    /// So long a part may take.
    static let patience = TimeAmount.seconds(1)
    /// So many lists are fetched at a time.
    static let limit = 4
    /// Not more often than this is one machine's list asked for.
    static let interval = TimeAmount.milliseconds(500)
    /// Not more often than this is ours told to one machine.
    static let leastInterval = TimeAmount.milliseconds(250)

    /// What came of a part.
    enum Progress: Equatable {
        /// It is none of this fetch.
        case foreign
        case more
        case complete
    }

    private static let bufferLimit = 64

    /// Our number for it.
    let nonce: UInt64
    /// The way that it was asked for.
    let path: ClusterPath
    private(set) var heardAt: NIODeadline
    private(set) var claims: [PublicKey: Claim] = [:]
    private(set) var isOverfull = false
    private(set) var claimNumber: UInt64 = 0
    /// The batches that came meanwhile, and count beside the list.
    private(set) var buffered: [ClusterMessage] = []
    /// Hidden claims that ours gave way to, as far as the list has not named them: that they ended was missed.
    private(set) var unnamed: Set<PublicKey>
    private var missing: Set<Int>?

    init(
        nonce: UInt64, over path: ClusterPath, awaiting hidden: Set<PublicKey> = [], at now: NIODeadline
    ) {
        self.nonce = nonce
        self.path = path
        unnamed = hidden
        heardAt = now
    }

    /// Whether nothing came for too long.
    func isLate(at now: NIODeadline) -> Bool { now - heardAt >= Self.patience }

    /// Takes a part.
    mutating func take(_ part: ListPart, at now: NIODeadline) -> Progress {
        guard part.nonce == nonce else { return .foreign }
        var missing = missing ?? Set(0..<part.count)
        guard missing.remove(part.index) != nil else { return .foreign }
        self.missing = missing
        heardAt = now
        claimNumber = part.claimNumber
        isOverfull = isOverfull || part.isOverfull
        if !unnamed.isEmpty { unnamed.subtract(part.claims.map(\.key)) }
        for claim in part.claims where !claim.manner.contains(.hidden) && claims.count < Catalogue.limit {
            claims[claim.key] = claim
        }
        return missing.isEmpty ? .complete : .more
    }

    /// A batch came while the list was on its way.
    mutating func keep(_ batch: ClusterMessage) {
        if buffered.count < Self.bufferLimit { buffered.append(batch) }
    }
}
