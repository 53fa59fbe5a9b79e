/// A node as its owner sees it: where it is announced, who is there, what it has open elsewhere.
package struct NodeReport: Codable, Equatable, Sendable {
    /// Its id.
    package var id: String
    /// The portals at which it is to be announced.
    package var portals: [NodePortalReport] = []
    /// The services that it offers, as in `1/ssh`.
    package var services: [String] = []
    /// Who is connected to it, at all portals.
    package var visitors: [VisitorReport] = []
    /// What friends have used since it began, and have closed.
    package var uses: [UseReport] = []
    /// What it forwards to somebody else's service: of `cway connect`.
    package var forward: ForwardReport?

    /// A node that is nowhere.
    package init(id: String) { self.id = id }
}

/// How a node stands with one portal.
package struct NodePortalReport: Codable, Equatable, Sendable {
    /// The portal's address.
    package var address: String
    /// The address at which it is connected, of those that the portal has; `nil` where it is not.
    package var connectedTo: String?
    /// `dialling`, `connected`, `announced`, or `away` until it is dialled again.
    package var state: String
    /// Since when, in Unix seconds.
    package var since: UInt64
    /// Whether the node is announced there under its id.
    package var isOpen: Bool
    /// How long a question to the portal takes, there and back; `nil` where none was answered.
    package var roundTripMilliseconds: Double?
    /// What failed there last.
    package var lastFailure: FailureReport?

    /// How it stands.
    package init(address: String, state: String, since: UInt64, isOpen: Bool) {
        self.address = address
        self.state = state
        self.since = since
        self.isOpen = isOpen
    }
}

/// Somebody who is connected to this node.
package struct VisitorReport: Codable, Equatable, Sendable {
    /// What the owner calls it; `nil` for somebody without a name here.
    package var name: String?
    /// Its id, or that of the invite that it holds.
    package var id: String
    /// `friend`, `invite` or `stranger`.
    package var kind: String
    /// How many sessions it has.
    package var sessionCount: Int
    /// When the first of them began, in Unix seconds.
    package var since: UInt64
    /// What it has open.
    package var streams: [StreamReport] = []

    /// A visitor.
    package init(name: String?, id: String, kind: String, sessionCount: Int, since: UInt64) {
        self.name = name
        self.id = id
        self.kind = kind
        self.sessionCount = sessionCount
        self.since = since
    }
}

/// A service that is open, seen from this node.
package struct StreamReport: Codable, Equatable, Sendable {
    /// The service, as in `1/ssh`.
    package var service: String
    /// Since when, in Unix seconds.
    package var since: UInt64
    /// What this node has sent, in bytes.
    package var sentByteCount: Int
    /// What it has received.
    package var receivedByteCount: Int

    /// A stream.
    package init(service: String, since: UInt64, sentByteCount: Int, receivedByteCount: Int) {
        self.service = service
        self.since = since
        self.sentByteCount = sentByteCount
        self.receivedByteCount = receivedByteCount
    }
}

/// What one friend has had of one service since the node began, streams that are open left out.
package struct UseReport: Codable, Equatable, Sendable {
    /// What the owner calls the friend.
    package var name: String?
    /// Its id.
    package var id: String
    /// The service.
    package var service: String
    /// How often it was opened.
    package var count: Int
    /// What this node has sent, in bytes.
    package var sentByteCount: Int
    /// What it has received.
    package var receivedByteCount: Int
    /// When it last ended, in Unix seconds.
    package var lastEnd: UInt64

    /// What was used.
    package init(
        name: String?, id: String, service: String, count: Int, sentByteCount: Int, receivedByteCount: Int,
        lastEnd: UInt64
    ) {
        self.name = name
        self.id = id
        self.service = service
        self.count = count
        self.sentByteCount = sentByteCount
        self.receivedByteCount = receivedByteCount
        self.lastEnd = lastEnd
    }
}

/// A local port that leads to somebody's service.
package struct ForwardReport: Codable, Equatable, Sendable {
    /// What the owner calls the target.
    package var name: String?
    /// The target's id.
    package var id: String
    /// The service.
    package var service: String
    /// The local port; `nil` until the first session stands.
    package var listen: String?
    /// The portal in between; `nil` where there is none, or no session.
    package var portal: String?
    /// `dialling` or `connected`.
    package var state: String
    /// Since when, in Unix seconds.
    package var since: UInt64
    /// How long a question to the target takes, there and back.
    package var roundTripMilliseconds: Double?
    /// What failed last.
    package var lastFailure: FailureReport?
    /// The connections that are open through it.
    package var streams: [StreamReport] = []

    /// A port.
    package init(name: String?, id: String, service: String, state: String, since: UInt64) {
        self.name = name
        self.id = id
        self.service = service
        self.state = state
        self.since = since
    }
}
