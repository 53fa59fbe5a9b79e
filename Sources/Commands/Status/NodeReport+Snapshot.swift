internal import Keyring
internal import Multiserver
internal import Node
internal import Tunnel
internal import TypedSodium
internal import Watching

extension NodeReport {
    /// An endpoint as it was watched.
    init(_ id: PublicKey, _ snapshot: NodeWatch.Snapshot) {
        self.init(id: id.id)
        services = snapshot.services
        portals = snapshot.portals.map { state in
            var report = NodePortalReport(
                address: state.address, state: state.stage.rawValue, since: state.since, isOpen: state.isOpen)
            report.connectedTo = state.used
            report.roundTripMilliseconds = state.roundTrip.map(milliseconds)
            report.lastFailure = state.failure.map { FailureReport(at: $0.at, text: $0.text) }
            return report
        }
        visitors = snapshot.visitors.map { visitor in
            var report = VisitorReport(
                name: visitor.name, id: visitor.party.key.id, kind: visitor.party.word,
                sessionCount: visitor.sessionCount, since: visitor.since)
            report.streams = visitor.streams.map(StreamReport.init)
            return report
        }
        uses = snapshot.uses.map { use in
            UseReport(
                name: use.name, id: use.friend.id, service: use.service, count: use.count,
                sentByteCount: use.sentByteCount, receivedByteCount: use.receivedByteCount,
                lastEnd: use.lastEnd)
        }
    }
}

extension ForwardReport {
    /// A port as it was watched.
    init(to target: PublicKey, called name: String?, _ service: String, _ snapshot: ForwardWatch.Snapshot) {
        self.init(
            name: name, id: target.id, service: service,
            state: snapshot.isConnected ? "connected" : "dialling", since: snapshot.since)
        listen = snapshot.listen
        portal = snapshot.portal
        roundTripMilliseconds = snapshot.roundTrip.map(milliseconds)
        lastFailure = snapshot.failure.map { FailureReport(at: $0.at, text: $0.text) }
        streams = snapshot.streams.map(StreamReport.init)
    }
}

extension StreamReport {
    fileprivate init(_ stream: OpenStream) {
        self.init(
            service: stream.service, since: stream.since, sentByteCount: stream.sentByteCount,
            receivedByteCount: stream.receivedByteCount)
    }
}

extension EndpointAccounts.Party {
    fileprivate var word: String {
        switch self {
        case .friend: "friend"
        case .invite: "invite"
        case .stranger, .portal, .called: "stranger"
        }
    }
}

/// Seconds as milliseconds, with two digits behind the point.
private func milliseconds(_ seconds: Double) -> Double { (seconds * 100_000).rounded() / 100 }
