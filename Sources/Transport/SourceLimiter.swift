public import NIOCore

/// How many connections and new handshakes one source address may have.
///
/// An IPv6 source is its /64, which is what one customer gets; an IPv4 address that is written as an IPv6 one is the
/// IPv4 address.
public struct SourceLimiter: Sendable {
    /// The two limits.
    public struct Limits: Sendable, Equatable {
        /// Open connections of one source.
        public var connections: Int
        /// New handshakes of one source per second; as many may come at once.
        public var handshakesPerSecond: Int

        /// Limits; the defaults leave room for a household behind one address.
        public init(connections: Int = 64, handshakesPerSecond: Int = 20) {
            self.connections = connections
            self.handshakesPerSecond = handshakesPerSecond
        }
    }

    /// Why a connection is not taken.
    public enum Refusal: Error, Equatable, Sendable {
        /// The source has as many open as it may.
        case tooManyConnections
        /// The source opens them faster than it may.
        case tooManyHandshakes
    }

    private struct Source {
        var connections = 0
        var tokens: Double
        var refilledAt: NIODeadline
    }

    private let limits: Limits
    private var sources: [String: Source] = [:]

    /// A limiter that has seen nobody.
    public init(limits: Limits) { self.limits = limits }

    /// Counts a new connection of that source in.
    ///
    /// - Throws: ``Refusal``; the connection is not counted then.
    public mutating func open(_ source: String, at now: NIODeadline) throws(Refusal) {
        var entry = sources[source] ?? Source(tokens: Double(limits.handshakesPerSecond), refilledAt: now)
        guard entry.connections < limits.connections else { throw .tooManyConnections }
        refill(&entry, at: now)
        guard entry.tokens >= 1 else { throw .tooManyHandshakes }
        entry.tokens -= 1
        entry.connections += 1
        sources[source] = entry
    }

    /// Counts a connection out; a source that has used up nothing is forgotten.
    public mutating func close(_ source: String, at now: NIODeadline) {
        guard var entry = sources[source] else { return }
        entry.connections -= 1
        refill(&entry, at: now)
        let isIdle = entry.connections <= 0 && entry.tokens >= Double(limits.handshakesPerSecond)
        sources[source] = isIdle ? nil : entry
        if sources.count > Self.sweepFrom { sweep(at: now) }
    }

    /// How many sources may be remembered before those that have recovered are looked for.
    private static let sweepFrom = 4096

    private mutating func sweep(at now: NIODeadline) {
        sources = sources.filter { entry in
            var value = entry.value
            refill(&value, at: now)
            return value.connections > 0 || value.tokens < Double(limits.handshakesPerSecond)
        }
    }

    private func refill(_ entry: inout Source, at now: NIODeadline) {
        let seconds = Double((now - entry.refilledAt).nanoseconds) / 1e9
        entry.tokens = min(
            Double(limits.handshakesPerSecond), entry.tokens + seconds * Double(limits.handshakesPerSecond))
        entry.refilledAt = now
    }
}

extension SocketAddress {
    /// What ``SourceLimiter`` counts by: the IPv4 address, or the first 64 bits of the IPv6 one.
    var sourceName: String {
        switch self {
        case .v4(let address):
            // A sockaddr_in has its address behind family and port.
            return unsafe withUnsafeBytes(of: address.address) { unsafe Self.name("4", $0[4..<8]) }
        case .v6(let address):
            // A sockaddr_in6 has its address behind family, port and flow label.
            return unsafe withUnsafeBytes(of: address.address) { bytes in
                let host = unsafe bytes[8..<24]
                let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
                return unsafe host.starts(with: mapped)
                    ? unsafe Self.name("4", host.suffix(4)) : unsafe Self.name("6", host.prefix(8))
            }
        case .unixDomainSocket:
            return "unix"
        }
    }

    private static func name(_ family: String, _ bytes: some Sequence<UInt8>) -> String {
        bytes.reduce(into: family) { $0 += ".\($1)" }
    }
}
