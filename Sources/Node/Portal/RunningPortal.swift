package import Multiserver
package import PortalCore
internal import Synchronization

/// Where those find a portal that have begun before it: its own settings, those who watch it, and its operator's page.
package final class RunningPortal: Sendable {
    private struct Content {
        var portal: Portal?
        var addresses: [PeerAddress] = []
        var isListening = false
        var member: ClusterMember?
        var policy: SharedPolicy?
    }

    private let content = Mutex(Content())

    /// Without a portal yet.
    package init() {}

    /// The portal, once it stands.
    package internal(set) var portal: Portal? {
        get { content.withLock(\.portal) }
        set { content.withLock { $0.portal = newValue } }
    }

    /// Where others dial it, once it listens.
    package internal(set) var addresses: [PeerAddress] {
        get { content.withLock(\.addresses) }
        set { content.withLock { $0.addresses = newValue } }
    }

    /// The machine that it is of a cluster, where it is one.
    package internal(set) var member: ClusterMember? {
        get { content.withLock(\.member) }
        set { content.withLock { $0.member = newValue } }
    }

    /// Whether it accepts connections, and in a cluster knows the others.
    package var isReady: Bool { isListening && (member?.runtime.isServing ?? true) }

    /// The log of its policy, where it is one machine of several; set before the portal runs.
    package var policy: SharedPolicy? {
        get { content.withLock(\.policy) }
        set { content.withLock { $0.policy = newValue } }
    }

    /// Whether it accepts connections.
    package internal(set) var isListening: Bool {
        get { content.withLock(\.isListening) }
        set { content.withLock { $0.isListening = newValue } }
    }
}
