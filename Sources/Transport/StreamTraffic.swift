package import Multiserver
package import NIOCore
internal import Tunnel
package import TypedSodium

/// A service that is open on a connection, as those see it who look after the node.
package struct StreamTraffic: Sendable {
    /// The service; of somebody else's the name alone.
    package let service: ServiceName
    /// The friend who uses it; `nil` for one of somebody else's.
    package let friend: PublicKey?
    /// Since when.
    package let since: NIODeadline
    /// What was sent, in bytes.
    package fileprivate(set) var sentByteCount = 0
    /// What was received.
    package fileprivate(set) var receivedByteCount = 0
}

/// The services that are open on one connection, with what has gone through each.
struct TrafficTable {
    private var streams: [StreamKey: StreamTraffic] = [:]

    /// All of them, the oldest first.
    var all: [StreamTraffic] { streams.values.sorted { $0.since < $1.since } }

    /// A service of ours is open.
    mutating func open(_ service: ServiceName, of friend: PublicKey?, at key: StreamKey) {
        streams[key] = StreamTraffic(service: service, friend: friend, since: .now())
    }

    mutating func sent(_ byteCount: Int, on key: StreamKey) { streams[key]?.sentByteCount += byteCount }

    mutating func received(_ byteCount: Int, on key: StreamKey) {
        streams[key]?.receivedByteCount += byteCount
    }

    mutating func close(_ key: StreamKey) { streams[key] = nil }
}
