internal import Synchronization

/// What a portal holds at a moment, and what has happened since it began: numbers for its operator and for tests.
///
/// They hold no name, key or token. What is counted by kind has no entry for what has not happened.
package struct PortalMetrics: Equatable, Sendable {
    /// How the handshake of a connection ended.
    package enum Handshake: String, CaseIterable, Sendable {
        /// The peer was let in.
        case succeeded
        /// It proved who it is, and may not connect.
        case denied
        /// It proved who it is, and there was no place for it.
        case turnedAway
        /// It took too long.
        case timedOut
        /// It had to make room for another one.
        case displaced
        /// The peer broke the protocol, or was gone.
        case failed

        /// The outcome of a handshake in whose midst a connection ended.
        init(endedBy reason: CloseReason) {
            self =
                switch reason {
                case .refused: .denied
                case .handshakeTimedOut: .timedOut
                case .displaced: .displaced
                case .goodbye, .closed, .replaced, .tooManyConnections, .silent, .failed: .failed
                }
        }
    }

    /// By what a tunnel was asked for, or an announcement made.
    package enum Manner: String, CaseIterable, Sendable {
        case open
        case hidden
    }

    /// At which limit a connection was not simply taken on.
    package enum Limit: String, CaseIterable, Sendable {
        /// Its address has as many connections as it may: it is only tried.
        case connections
        /// Its address begins handshakes faster than it may: it is only tried.
        case handshakes
        /// So many handshakes wait that it was closed at once.
        case handshakesWaiting
        /// So many connections are tried that it was closed at once.
        case trials
        /// It came from a trusted proxy, and did not begin with its header.
        case proxyHeaders
    }

    // MARK: Of this moment

    /// How many connections there are, handshakes included.
    package var connectionCount = 0
    /// How many tunnels have at least one end.
    package var tunnelCount = 0
    /// What waits to be sent on in tunnels, in bytes of memory.
    package var queuedByteCount = 0
    /// What all accounts hold, in bytes, that drawn ahead included.
    package var heldByteCount = 0
    /// What all accounts may hold, in bytes.
    package var holdableByteCount = 0
    /// How many tokens are announced.
    package var tokenCount = 0
    /// How many ids are announced.
    package var announcedCount = 0

    // MARK: Since the portal began

    /// How many connections were accepted.
    package var acceptedCount = 0
    /// Connections that came at a limit.
    package var limitedConnections: [Limit: Int] = [:]
    /// How their handshakes ended.
    package var handshakes: [Handshake: Int] = [:]
    /// How often a peer was not admitted, or not any more.
    package var denialCount = 0
    /// Announcements that were carried out and changed something.
    package var announcements: [Manner: Int] = [:]
    /// Announcements that were not followed, by the reason.
    package var announcementRefusals: [AnnounceRefusal: Int] = [:]
    /// Tunnels that were begun, by id or by token.
    package var tunnels: [Manner: Int] = [:]
    /// Calls of which no tunnel came, by the reason.
    package var tunnelRefusals: [ConnectRefusal.Kind: Int] = [:]
    /// Tunnels that the portal cut, by the reason.
    package var tunnelCuts: [TunnelCut: Int] = [:]
    /// What was handed from one connection to another in tunnels, in bytes of packets.
    package var relayedByteCount = 0

    /// Of a portal that has just begun.
    package init() {}

    /// How often each limit was met, by its kind in words; those that were not are left out.
    package var limits: [String: Int] {
        var limits: [String: Int] = [:]
        func add(_ kind: String, _ counts: [(some RawRepresentable<String>, Int)]) {
            for (name, count) in counts where count > 0 { limits["\(kind): \(name.rawValue)"] = count }
        }
        let lateHandshakes: [Handshake] = [.turnedAway, .timedOut, .displaced]
        let fullPlaces: [ConnectRefusal.Kind] = [.tooManyTunnels, .busy, .volumeUsedUp]
        let tokens: [AnnounceRefusal] = [.tooManyTokens, .tooOften]
        add("handshake", lateHandshakes.map { ($0, handshakes[$0] ?? 0) })
        add("tunnel refused", fullPlaces.map { ($0, tunnelRefusals[$0] ?? 0) })
        add("tunnel cut", tunnelCuts.map { ($0.key, $0.value) })
        add("announcement refused", tokens.map { ($0, announcementRefusals[$0] ?? 0) })
        return limits
    }
}

/// Where what happens at a portal is counted.
///
/// The lock is for what happens once a call at most; what is relayed is counted by each event loop for itself.
final class PortalCounters: Sendable {
    private let counted = Mutex(PortalMetrics())
    private let tallies = Mutex<[ObjectIdentifier?: RelayTally]>([:])

    /// What has been counted; the numbers of the moment are missing.
    var metrics: PortalMetrics {
        var metrics = counted.withLock(\.self)
        metrics.relayedByteCount = tallies.withLock { $0.values.reduce(0) { $0 + $1.byteCount } }
        return metrics
    }

    func count(_ change: (inout PortalMetrics) -> Void) { counted.withLock { change(&$0) } }

    /// The tally of an event loop, or of the one thread of a test.
    func tally(of loop: ObjectIdentifier?) -> RelayTally {
        tallies.withLock { tallies in
            let tally = tallies[loop] ?? RelayTally()
            tallies[loop] = tally
            return tally
        }
    }
}

/// What the connections of one event loop have relayed.
///
/// They alone add to it, so that adding is a plain load and a plain store: no lock, and nothing that another processor
/// waits for.
final class RelayTally: Sendable {
    private let count = Atomic(0)

    /// So far, in bytes of packets; asked on any thread.
    var byteCount: Int { count.load(ordering: .relaxed) }

    func add(_ byteCount: Int) {
        count.store(count.load(ordering: .relaxed) &+ byteCount, ordering: .relaxed)
    }
}
