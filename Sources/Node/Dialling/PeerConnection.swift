package import Multiserver
package import NIOCore
package import Transport
package import Tunnel

/// A session with a peer, and the connection it runs in.
package struct PeerConnection: Sendable {
    /// The connection to the portal, or to the peer itself.
    package let link: NodeLink
    /// The session on it.
    package let session: SessionID
    /// The portal in between; `nil` for a peer that was dialled straight.
    package let portal: PeerAddress?
    /// Who was dialled: the portal, or the peer itself.
    package let dialled: PeerAddress
    /// At which address of the portal; `nil` for a peer that was dialled straight.
    let address: DialAddress?
    /// When another connection is to be dialled beside this one.
    let wishes: SuccessorWishes

    /// What goes on beside the connection's use: see ``FriendVisit``.
    var visit: Task<Void, Never>?

    init(link: NodeLink, to peer: PeerAddress) {
        self.link = link
        session = .outer
        portal = nil
        dialled = peer
        (address, wishes) = (nil, SuccessorWishes())
    }

    init(
        link: NodeLink, session: SessionID, through address: DialAddress, wishes: SuccessorWishes
    ) {
        self.link = link
        self.session = session
        portal = address.portal
        dialled = address.portal
        (self.address, self.wishes) = (address, wishes)
    }

    /// The end of the session or of the connection, whichever is first.
    package var ended: EventLoopFuture<SessionFailure?> {
        session == .outer ? link.ended : link.end(of: session)
    }

    /// Asks the portal in between how its silence is to be put up with; nobody waits for that.
    package func learnManners(isOnBattery: Bool) {
        guard portal != nil else { return }
        Task { [link] in _ = await PortalManners(of: link, isOnBattery: isOnBattery) }
    }

    /// How long closing waits for the friend's grant, which is asked for beside the connection's use.
    private static let visitTime = Duration.seconds(2)

    /// Says goodbye to the peer, then to the portal.
    package func close() async {
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
