package import TypedSodium

/// What a client wants to reach, as far as other machines need it.
package enum ClusterTarget: Hashable, Sendable {
    /// The length in bytes.
    static let byteCount = 65

    /// An endpoint that is announced openly.
    case id(PublicKey)
    /// Whoever announces a token; with a key only where it has proved that one.
    case token(FixedBytes<32>, by: PublicKey?)
    /// Nothing that could be found: what is not permitted, or no target at all, takes the same way for as long.
    case nobody

    func write(to writer: inout ClusterWriter) {
        switch self {
        case .id(let key):
            writer.write(1 as UInt8)
            writer.write(key.bytes)
            writer.pad(32)
        case .token(let token, let key):
            writer.write(key == nil ? 2 : 3 as UInt8)
            writer.write(token)
            writer.write(key?.bytes ?? FixedBytes())
        case .nobody:
            writer.write(2 as UInt8)
            writer.pad(64)
        }
    }
}

extension ClusterTarget {
    init(from reader: inout ClusterReader) throws(ClusterError) {
        let kind: UInt8 = try reader.number()
        let (first, second) = (try reader.fixed(), try reader.fixed())
        switch kind {
        case 1 where second == FixedBytes(): self = .id(PublicKey(first))
        case 2 where second == FixedBytes(): self = .token(first, by: nil)
        case 3: self = .token(first, by: PublicKey(second))
        default: throw .malformed
        }
    }
}

/// Targets that are looked for, gathered.
///
/// A question has 1, 4, 16 or 64 places, and its length, and that of every answer to it, follows from that alone: what
/// is found shows nobody who sees messages go by.
package struct Question: Equatable, Sendable {
    /// How many targets one question has at most.
    package static let limit = 64

    private static let places: [UInt8] = [1, 4, 16, 64]

    /// The asker's number for it.
    package let id: UInt64
    /// What is looked for.
    package let targets: [ClusterTarget]

    /// A question.
    package init(id: UInt64, targets: [ClusterTarget]) {
        precondition((1...Self.limit).contains(targets.count), "a question has 1 to 64 targets")
        self.id = id
        self.targets = targets
    }

    /// How many places a question with so many targets has.
    static func placeCount(for count: Int) -> Int { Int(places.first { $0 >= count } ?? 64) }

    var placeCount: Int { Self.placeCount(for: targets.count) }

    var byteCount: Int { 8 + 1 + 1 + placeCount * ClusterTarget.byteCount }

    func write(to writer: inout ClusterWriter) {
        writer.write(id)
        writer.write(UInt8(placeCount))
        writer.write(UInt8(targets.count))
        for target in targets { target.write(to: &writer) }
        writer.pad((placeCount - targets.count) * ClusterTarget.byteCount)
    }
}

extension Question {
    init(from reader: inout ClusterReader) throws(ClusterError) {
        id = try reader.number()
        let placeCount: UInt8 = try reader.number()
        let count: UInt8 = try reader.number()
        guard Self.places.contains(placeCount), count > 0, Self.placeCount(for: Int(count)) == placeCount
        else {
            throw .malformed
        }
        var targets: [ClusterTarget] = []
        for _ in 0..<count { targets.append(try ClusterTarget(from: &reader)) }
        try reader.padding(Int(placeCount - count) * ClusterTarget.byteCount)
        self.targets = targets
    }
}
