internal import NIOCore
internal import Synchronization
internal import Transport

/// What is known of a port that leads to somebody's service, for who has opened it.
package final class ForwardWatch: Sendable {
    /// The port at a moment.
    package struct Snapshot: Sendable {
        /// Whether a session stands.
        package var isConnected = false
        /// Since when it is so, in Unix seconds.
        package var since: UInt64
        /// Where it listens, once a session has stood.
        package var listen: String?
        /// The portal in between.
        package var portal: String?
        /// What failed last, and when.
        package var failure: (text: String, at: UInt64)?
        /// How long a question to the target takes, in seconds.
        package var roundTrip: Double?
        /// The connections that are open through it.
        package var streams: [OpenStream] = []
    }

    private struct State {
        var snapshot: Snapshot
        var connection: PeerConnection?
    }

    private let state = Mutex(State(snapshot: Snapshot(since: WallClock.seconds())))

    /// A watch of a port that is not there yet.
    package init() {}

    /// The port of this moment; asks the target how long it takes to answer.
    package func snapshot() async -> Snapshot {
        var (snapshot, connection) = state.withLock { ($0.snapshot, $0.connection) }
        guard let connection else { return snapshot }
        async let traffic = connection.link.traffic
        snapshot.roundTrip = await QuickPing.seconds(over: connection.link, on: connection.session)
        snapshot.streams = await traffic.map(OpenStream.init)
        return snapshot
    }

    // MARK: What the forwarding says

    /// The port is there.
    func listens(at address: String) { state.withLock { $0.snapshot.listen = address } }

    /// A session stands.
    func connected(_ connection: PeerConnection) {
        state.withLock { state in
            state.connection = connection
            state.snapshot.isConnected = true
            state.snapshot.portal = connection.portal.map { "\($0)" }
            state.snapshot.since = WallClock.seconds()
        }
    }

    /// There is no session.
    func lost(_ reason: String?) {
        state.withLock { state in
            if state.snapshot.isConnected { state.snapshot.since = WallClock.seconds() }
            (state.connection, state.snapshot.isConnected, state.snapshot.portal) = (nil, false, nil)
            if let reason { state.snapshot.failure = (reason, WallClock.seconds()) }
        }
    }
}
