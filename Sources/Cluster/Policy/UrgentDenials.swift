internal import NIOCore
package import TypedSodium

/// That a key is served in nothing, said before the log says so.
package struct UrgentDenial: Hashable, Sendable {
    /// The length in bytes.
    static let byteCount = 48

    /// Whom it is about.
    package let key: PublicKey
    /// Since when, in Unix seconds.
    package let since: UInt64
    /// How far the log had come where it was said: what the log says of the key later counts more.
    package let index: UInt64

    /// A denial.
    package init(key: PublicKey, since: UInt64, index: UInt64) {
        self.key = key
        self.since = since
        self.index = index
    }
}

/// Denials that are said to all machines until the log says them: by NATS where it is there, and over every link.
package struct UrgentDenials: Equatable, Sendable {
    /// How many stand in one message, which is as many as a machine keeps.
    package static let limit = 1_000

    /// The denials.
    package let list: [UrgentDenial]

    /// These denials, the first ``limit`` of them.
    package init(_ list: [UrgentDenial]) { self.list = Array(list.prefix(Self.limit)) }

    var byteCount: Int { 2 + list.count * UrgentDenial.byteCount }

    func write(to writer: inout ClusterWriter) {
        writer.write(UInt16(list.count))
        for denial in list {
            writer.write(denial.key.bytes)
            writer.write(denial.since)
            writer.write(denial.index)
        }
    }
}

extension UrgentDenials {
    init(from reader: inout ClusterReader) throws(ClusterError) {
        var list: [UrgentDenial] = []
        for _ in 0..<(try reader.count(limit: Self.limit)) {
            list.append(
                UrgentDenial(
                    key: PublicKey(try reader.fixed()), since: try reader.number(), index: try reader.number()
                ))
        }
        self.list = list
    }
}

/// When this machine says its urgent denials: at once, and again while the log does not say them.
struct DenialPulse: Sendable {
    private static let interval = TimeAmount.seconds(2)

    private var denials = UrgentDenials([])
    private var nextAt: NIODeadline?

    /// What a machine hears that comes later; `nil` where there is nothing to say.
    var said: ClusterMessage? { denials.list.isEmpty ? nil : .denials(denials) }

    /// These are to be said from now on; those that are not among them stand in the log.
    mutating func replace(_ list: [UrgentDenial], at now: NIODeadline) {
        let former = Set(denials.list)
        denials = UrgentDenials(list)
        guard !denials.list.isEmpty else {
            nextAt = nil
            return
        }
        if nextAt == nil || !former.isSuperset(of: denials.list) { nextAt = now }
    }

    /// What is to be said now.
    mutating func takeDue(at now: NIODeadline) -> ClusterMessage? {
        guard let nextAt, nextAt <= now else { return nil }
        self.nextAt = now + Self.interval
        return .denials(denials)
    }
}
