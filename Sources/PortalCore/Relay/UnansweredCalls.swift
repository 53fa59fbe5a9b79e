internal import MuxRPC
internal import NIOCore

/// The calls to an endpoint on which nobody has shown yet to be there, and those that wait for them.
///
/// Few of one source are passed on at a time, so that calls which come to nothing keep no others out of the endpoint's
/// handshakes; the next ones wait for a while instead of being refused, because thirty honest ones may come at once.
struct UnansweredCalls {
    /// How many of one source may be unanswered.
    static let sourceLimit = 16
    /// How many packets of the endpoint show that somebody is there: the hello and the accept of a handshake inside.
    static let packetCount = 2
    /// How long a call waits.
    static let patience = TimeAmount.seconds(4)

    /// A call that waits, with what was sent behind it.
    struct Call {
        let tunnel: PortalTunnel
        let argument: JSONValue
        let request: String
        let until: NIODeadline
        var batches: [RelayedBatch] = []
    }

    private var unanswered: [TunnelID: String] = [:]
    private var counts: [String: Int] = [:]
    private var waiting: [TunnelID: Call] = [:]
    /// Numbers grow, and so does how long they wait.
    private var order = CircularBuffer<TunnelID>(initialCapacity: 1)

    /// Whether a call has to wait.
    func mustWait(_ tunnel: PortalTunnel) -> Bool {
        counts[tunnel.cause.source, default: 0] >= Self.sourceLimit
    }

    /// Lets a call wait.
    mutating func wait(_ call: Call) {
        waiting[call.tunnel.id] = call
        order.append(call.tunnel.id)
    }

    /// Keeps what was sent on a tunnel whose call waits; whether it does.
    mutating func append(_ batch: RelayedBatch, to tunnel: TunnelID) -> Bool {
        guard !waiting.isEmpty, waiting[tunnel] != nil else { return false }
        waiting[tunnel]?.batches.append(batch)
        return true
    }

    /// Forgets a call that waits, because the other side has ended.
    mutating func removeWaiting(_ tunnel: TunnelID) -> Call? {
        guard !waiting.isEmpty, let call = waiting.removeValue(forKey: tunnel) else { return nil }
        order.removeAll { $0 == tunnel }
        return call
    }

    /// A call was passed on.
    mutating func opened(_ tunnel: PortalTunnel) {
        unanswered[tunnel.id] = tunnel.cause.source
        counts[tunnel.cause.source, default: 0] += 1
    }

    /// A call was answered, or its tunnel is gone.
    mutating func settled(_ tunnel: TunnelID) {
        guard !unanswered.isEmpty, let source = unanswered.removeValue(forKey: tunnel) else { return }
        let count = counts[source, default: 0]
        counts[source] = count > 1 ? count - 1 : nil
    }

    /// The next call that need not wait any more.
    mutating func next() -> Call? {
        guard !waiting.isEmpty else { return nil }
        let next = order.first { tunnel in waiting[tunnel].map { !mustWait($0.tunnel) } ?? false }
        return next.flatMap { removeWaiting($0) }
    }

    /// When the first has waited for too long.
    var deadline: NIODeadline? { order.first.flatMap { waiting[$0]?.until } }

    /// The next call that has waited for too long.
    mutating func expired(at now: NIODeadline) -> Call? {
        guard let first = order.first, let until = waiting[first]?.until, until <= now else {
            return nil
        }
        return removeWaiting(first)
    }
}
