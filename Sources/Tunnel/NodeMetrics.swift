internal import MuxRPC
internal import NIOCore
internal import Synchronization
package import TypedSodium

/// What a node holds for others at a moment, and what has happened at all its connections since it began.
///
/// They hold no name, key or token. What is counted by kind has no entry for what has not happened.
package struct NodeMetrics: Equatable, Sendable {
    /// What became of a tunnel that somebody opened to this node, or of the session in it.
    package enum Session: String, CaseIterable, Sendable {
        /// A friend is connected.
        case accepted
        /// The holder of an invite is.
        case invited
        /// It proved its key, and is not allowed here.
        case refused
        /// It proved its key, and there was no place for it.
        case turnedAway
        /// No proof came, or a wrong one.
        case failed
        /// It stood, and was ended because its friend is not allowed any more.
        case dismissed
        /// It stood idle, and made room for another.
        case gaveWay
    }

    /// How a stream to or from a service ended.
    package enum StreamEnding: String, CaseIterable, Sendable {
        /// Both sides had said all.
        case complete
        /// The other side says that it failed.
        case remote
        /// It, or its session, ended in the middle.
        case truncated
        /// The other side broke the rules of credit.
        case credit
        /// Our own end gave up.
        case local

        init(_ failure: StreamFailure?) {
            self =
                switch failure {
                case nil: .complete
                case .remote: .remote
                case .truncated: .truncated
                case .credit: .credit
                case .local: .local
                }
        }
    }

    /// What happened between this node and a portal.
    package enum PortalEvent: String, CaseIterable, Sendable {
        /// A connection stood.
        case dialled
        /// None did.
        case notDialled
        /// The portal took the announcement.
        case announced
        /// It refused it, or ended it.
        case announcementEnded
    }

    // MARK: Of this moment

    /// At how many portals the node is to be announced.
    package var wantedPortalCount = 0
    /// At how many it is.
    package var attachedPortalCount = 0
    /// How many sessions of others stand.
    package var sessionCount = 0
    /// How many inner handshakes are under way.
    package var handshakeCount = 0
    /// What is held for others, in bytes of memory.
    package var heldByteCount = 0
    /// As much may be.
    package var holdableByteCount = 0

    // MARK: Since the node began

    /// What happened between the node and its portals.
    package var portalEvents: [PortalEvent: Int] = [:]
    /// Tunnels to this node, and what became of them.
    package var sessions: [Session: Int] = [:]
    /// Services that friends asked for.
    package var requestCount = 0
    /// Of those, the ones that are not offered.
    package var unknownServiceCount = 0
    /// Streams that ended.
    package var streams: [StreamEnding: Int] = [:]
    /// What was cut because somebody has less of what is short.
    package var displaced: [ScarceResource: Int] = [:]
    /// What streams brought to local ends, in bytes.
    package var receivedByteCount = 0
    /// What local ends gave to streams, in bytes.
    package var sentByteCount = 0

    /// Of a node that has just begun.
    package init() {}
}

/// Where what happens at a node's connections is counted.
///
/// The lock is for what happens once a call at most; bytes are counted by each connection for itself.
package final class NodeCounters: Sendable {
    private struct Counted {
        var metrics = NodeMetrics()
        var meters: [ObjectIdentifier: Bytes] = [:]
        var attachedPortals: Set<PublicKey> = []
    }

    /// What one connection has carried, which alone adds to it: a plain load and a plain store.
    fileprivate final class Bytes: Sendable {
        let received = Atomic(0)
        let sent = Atomic(0)

        static func add(_ byteCount: Int, to count: borrowing Atomic<Int>) {
            count.store(count.load(ordering: .relaxed) &+ byteCount, ordering: .relaxed)
        }

        func addAll(to metrics: inout NodeMetrics) {
            metrics.receivedByteCount += received.load(ordering: .relaxed)
            metrics.sentByteCount += sent.load(ordering: .relaxed)
        }
    }

    private let counted = Mutex(Counted())

    init() {}

    /// What has been counted; the numbers of the moment are missing.
    var metrics: NodeMetrics {
        counted.withLock { counted in
            var metrics = counted.metrics
            metrics.attachedPortalCount = counted.attachedPortals.count
            for bytes in counted.meters.values { bytes.addAll(to: &metrics) }
            return metrics
        }
    }

    /// Whether the node is announced at any portal.
    package var isAttached: Bool { counted.withLock { !$0.attachedPortals.isEmpty } }

    /// Something happened at a portal.
    package func note(_ event: NodeMetrics.PortalEvent) { count { $0.portalEvents[event, default: 0] += 1 } }

    /// The node is announced at a portal, on the connection of this moment, or not any more.
    package func note(_ portal: PublicKey, isAttached: Bool) {
        counted.withLock { counted in
            if isAttached {
                counted.attachedPortals.insert(portal)
            } else {
                counted.attachedPortals.remove(portal)
            }
        }
    }

    /// At how many portals the node is to be announced.
    package func note(wantedPortalCount: Int) { count { $0.wantedPortalCount = wantedPortalCount } }

    fileprivate func count(_ change: (inout NodeMetrics) -> Void) {
        counted.withLock { change(&$0.metrics) }
    }

    fileprivate func add(_ bytes: Bytes) {
        counted.withLock { $0.meters[ObjectIdentifier(bytes)] = bytes }
    }

    fileprivate func retire(_ bytes: Bytes) {
        counted.withLock { counted in
            counted.meters[ObjectIdentifier(bytes)] = nil
            bytes.addAll(to: &counted.metrics)
        }
    }
}

/// Counts what happens on one connection, as its owner is told of it.
final class NodeMeter {
    private let counters: NodeCounters
    private let bytes = NodeCounters.Bytes()

    init(_ counters: NodeCounters) {
        self.counters = counters
        counters.add(bytes)
    }

    deinit { counters.retire(bytes) }

    /// A local end gave so many bytes.
    func sent(_ byteCount: Int) { NodeCounters.Bytes.add(byteCount, to: bytes.sent) }

    /// The owner is told this.
    func note(_ output: NodeOutput) {
        switch output {
        case .service(_, .received(let buffer)):
            NodeCounters.Bytes.add(buffer.readableBytes, to: bytes.received)
        case .service(_, .closed(let failure, _, _)):
            counters.count { $0.streams[NodeMetrics.StreamEnding(failure), default: 0] += 1 }
        case .connectService: counters.count { $0.requestCount += 1 }
        case .event(let event): note(event)
        default: break
        }
    }

    private func note(_ event: NodeEvent) {
        counters.count { metrics in
            switch event {
            case .accepted: metrics.sessions[.accepted, default: 0] += 1
            case .invited: metrics.sessions[.invited, default: 0] += 1
            case .refused: metrics.sessions[.refused, default: 0] += 1
            case .turnedAway: metrics.sessions[.turnedAway, default: 0] += 1
            case .handshakeFailed: metrics.sessions[.failed, default: 0] += 1
            case .dismissed: metrics.sessions[.dismissed, default: 0] += 1
            case .gaveWay: metrics.sessions[.gaveWay, default: 0] += 1
            case .displaced(_, for: let resource): metrics.displaced[resource, default: 0] += 1
            case .unknownService:
                metrics.requestCount += 1
                metrics.unknownServiceCount += 1
            }
        }
    }
}
