internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// What the calls of a portal's peer have begun: its announcement, lists, pings, the question of an invite, and tunnels.
struct PortalCalls: ~Copyable {
    /// What a message of another connection, or of the owner, asks of the connection as a whole.
    enum Consequence {
        case nothing
        /// To ask whether the peer is still there.
        case askPeer
        /// To end, because others have announced the peer since.
        case endReplaced
        /// To end what the peer may not have any more.
        case followPolicy
    }

    let peer: PortalPeer
    var announcement: PortalAnnouncement
    var subscriptions: PortalSubscriptions
    var pings: PortalPings
    var invite: PortalInvite
    var tunnels: PortalTunnels
    var yielding: PortalYielding

    /// Nothing is called yet.
    init(of peer: PortalPeer) {
        self.peer = peer
        announcement = PortalAnnouncement(of: peer)
        subscriptions = PortalSubscriptions(of: peer)
        pings = PortalPings(of: peer)
        invite = PortalInvite(of: peer)
        tunnels = PortalTunnels(of: peer)
        yielding = PortalYielding(of: peer)
    }

    /// When ``timeReached()`` is due next.
    var deadline: NIODeadline? {
        announcement.deadline.earlier(subscriptions.deadline).earlier(pings.deadline).earlier(
            tunnels.deadline
        ).earlier(yielding.deadline)
    }

    /// Sees to what is due.
    mutating func timeReached() {
        tunnels.timeReached()
        announcement.followDue()
        pings.answerDue()
        if let due = subscriptions.deadline, due <= peer.now { subscriptions.update(at: peer.now) }
    }

    // MARK: Calls

    mutating func answer(_ request: Request) {
        guard let key = peer.key, let method = PortalMethods[request.name],
            method.isOpen(to: peer.portal.policy.standing(of: key))
        else {
            // The words in which muxrpc refuses what is not in the manifest.
            return peer.refuse(request, ErrorText.noSuchMethod(request.name))
        }
        method.answer(request, from: key, in: &self)
    }

    /// Subscribes the peer to a list, which announces it as well: ssb-room's clients never do it otherwise.
    mutating func subscribe(_ request: Request, to kind: PortalSubscriptions.Kind, as key: PublicKey) {
        guard peer.portal.policy.letsCall(key) else {
            return peer.refuse(request, ErrorText.membersCall)
        }
        guard subscriptions.hasRoom else { return peer.refuse(request, ErrorText.tooManySubscriptions) }
        announcement.change(to: .announced(.subscription), as: key)
        subscriptions.begin(on: request.stream, kind)
    }

    /// The peer has ended a stream.
    mutating func streamEnded(_ stream: StreamID, message: String?) {
        subscriptions.remove(stream)
        pings.close(stream)
        tunnels.streamEnded(stream, message: message)
    }

    /// Ends what the peer may not have any more; tunnels to it stay.
    mutating func follow(_ policy: PortalPolicy, of key: PublicKey) {
        announcement.endUnpermitted(of: key)
        guard !policy.letsCall(key) else { return }
        subscriptions.end(message: ErrorText.membersCall)
        subscriptions.removeAll()
        tunnels.endOwn(message: ErrorText.membersCall)
    }

    // MARK: Messages

    /// Does what another connection of the portal, or its owner, asks for; the rest is the connection's to do.
    mutating func take(_ message: consuming RelayMessage) -> Consequence {
        switch consume message {
        case .open(let tunnel, let argument, let request):
            tunnels.open(tunnel, argument: argument, request: request)
        case .packets(let tunnel, let batch): tunnels.append(batch, to: tunnel)
        case .ended(let tunnel, let message): tunnels.farSideEnded(tunnel, message: message)
        case .resume(let tunnel): tunnels.resume(tunnel)
        case .cut(let tunnel, let reason): tunnels.cut(tunnel, reason)
        case .overtaken:
            // JavaScript does not hear it, and goes on with the connection. One whose machine has another address now
            // owes an answer, and ``Liveness`` finds soon that none comes: its callers need not wait for longer.
            announcement.end(message: ErrorText.announcedElsewhere)
            return .askPeer
        case .replaced:
            announcement.end(message: ErrorText.announcedElsewhere)
            subscriptions.end(message: ErrorText.announcedElsewhere)
            return .endReplaced
        case .silenced:
            yielding.silence()
            return .askPeer
        case .move(let orGoodbye): yielding.move(orGoodbye: orGoodbye)
        case .attendanceChanged: subscriptions.becameStale()
        case .policyChanged: return .followPolicy
        case .announced(let call, let outcome): announcement.announced(call, outcome)
        case .tokensDropped: announcement.tokensDropped()
        case .lookedUp(let ticket, let step): tunnels.lookedUp(ticket, step)
        case .redeemed(let call, let outcome):
            return invite.answered(call, outcome) ? .followPolicy : .nothing
        }
        return .nothing
    }

    // MARK: The end

    /// Ends every stream, those of tunnels with a message.
    mutating func end(message: String) {
        tunnels.fail(message: message)
        subscriptions.end()
        pings.end()
    }

    /// Takes the connection out of the portal, and forgets everything.
    mutating func leave() {
        tunnels.flush()
        let (ended, notices) = peer.portal.unregister(peer.id, of: peer.key)
        for tunnel in ended {
            tunnel.end(on: peer.id).flow.close()
            peer.post(
                .ended(tunnel.id, message: ErrorText.otherSideIsGone),
                to: tunnel.end(acrossFrom: peer.id).mailbox)
        }
        tunnels.removeAll()
        subscriptions.removeAll()
        pings.removeAll()
        peer.post(notices)
    }
}
