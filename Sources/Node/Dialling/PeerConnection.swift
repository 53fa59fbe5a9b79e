public import Multiserver
public import NIOCore
public import Transport
public import Tunnel

/// A session with a peer, and the connection it runs in.
public struct PeerConnection: Sendable {
    /// The connection to the portal, or to the peer itself.
    public let link: NodeLink
    /// The session on it.
    public let session: SessionID
    /// The portal in between; `nil` for a peer that was dialled straight.
    public let portal: PeerAddress?
    /// Who was dialled: the portal, or the peer itself.
    public let dialled: PeerAddress

    /// What goes on beside the connection's use: see ``FriendVisit``.
    var visit: Task<Void, Never>?

    init(link: NodeLink, to peer: PeerAddress) {
        self.link = link
        session = .outer
        portal = nil
        dialled = peer
    }

    init(link: NodeLink, session: SessionID, through portal: PeerAddress) {
        self.link = link
        self.session = session
        self.portal = portal
        dialled = portal
    }

    /// The end of the session or of the connection, whichever is first.
    public var ended: EventLoopFuture<SessionFailure?> {
        session == .outer ? link.ended : link.end(of: session)
    }

    /// How long closing waits for the friend's grant, which is asked for beside the connection's use.
    private static let visitTime = Duration.seconds(2)

    /// Says goodbye to the peer, then to the portal.
    public func close() async {
        if let visit {
            let limit = Task {
                try await Task.sleep(for: Self.visitTime)
                await link.close()
            }
            await visit.value
            limit.cancel()
        }
        await link.close()
    }
}
