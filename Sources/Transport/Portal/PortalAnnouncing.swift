internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import Sodium
internal import Tunnel

/// What a portal's connection does about announcements, invites, and a policy that changes.
extension PortalConnection {
    // MARK: Announcements

    /// The peer announces itself by `tunnel.announce`, openly or hidden.
    func announce(_ request: Request, _ call: PortalCall, as peer: PublicKey) {
        do throws(AnnounceRefusal) {
            switch call {
            case .announceHidden(let tokens): try announceHidden(tokens, as: peer)
            case .announce: try announce(peer, .explicit)
            default: throw .invalidArguments
            }
            announceCall = request.number
            reply(true, to: request)
        } catch {
            refuse(request, error.message)
        }
    }

    /// The peer announces itself openly, by whichever means.
    func announce(_ peer: PublicKey, _ manner: PortalDirectory.Manner) throws(AnnounceRefusal) {
        let notices = try portal.announce(peer, on: id, manner)
        if notices.isDone { happened(.announced(peer, manner)) }
        post(notices)
    }

    private func announceHidden(_ tokens: [JSONValue], as peer: PublicKey) throws(AnnounceRefusal) {
        let limits = portal.settings.tokenLimits
        if let last = hiddenAnnouncedAt, now < last + limits.interval { throw .tooOften }
        // In front of the work: what is refused for its tokens has been read as well.
        hiddenAnnouncedAt = now
        let limit = limits.count(for: portal.policy.standing(of: peer))
        let announcement = try HiddenAnnouncement(tokens, limit: limit)
        post(try portal.announce(announcement, of: peer, on: id, from: source))
        happened(.announcedHidden(id))
    }

    /// The peer takes its announcement back.
    func leave(_ request: Request, as peer: PublicKey) {
        let wasHidden = portal.isHidden(id)
        let notices = portal.leave(peer, on: id)
        if notices.isDone { happened(wasHidden ? .leftHidden(id) : .left(peer)) }
        post(notices)
        reply(true, to: request)
    }

    /// Says why, in answer to the call by which the peer announced itself, and ends.
    func endReplaced(at now: NIODeadline) {
        let message = PortalMessage.announcedElsewhere
        if let announceCall { session.muxrpc.failAnswered(announceCall, message: message) }
        for subscription in subscriptions.all { session.muxrpc.fail(subscription.stream, message: message) }
        close(.replaced, message: PortalMessage.otherSideIsGone, at: now)
    }

    // MARK: Invites

    /// The holder of an invite asks to let a key in; one question at a time is passed on.
    func useInvite(_ request: Request, for feed: PublicKey?, as invite: PublicKey) {
        guard let feed, feed != invite else { return refuse(request, "invite.use: invalid arguments") }
        guard portal.settings.redeem != nil else { return refuse(request, "this portal has no invites") }
        guard redeemCall == nil else { return refuse(request, "invite.use: one at a time") }
        redeemCall = request.number
        ask(RedeemQuestion(call: request.number, invite: invite, feed: feed))
    }

    /// The portal's owner has decided.
    func redeemed(_ call: RequestNumber, _ outcome: RedeemOutcome, at now: NIODeadline) {
        guard call == redeemCall else { return }
        redeemCall = nil
        switch outcome {
        case .admitted: try? session.muxrpc.reply(to: call, with: true)
        case .refused(let words): session.muxrpc.fail(call, message: words)
        }
        followPolicy(at: now)
    }

    // MARK: Policy

    /// Ends what the peer may not have any more.
    func followPolicy(at now: NIODeadline) {
        guard let peer = session.peer else { return }
        let policy = portal.policy
        guard policy.admits(peer) else {
            // The owner takes a used invite's key away before it answers: the holder still has to hear the answer.
            guard redeemCall == nil || policy.standing(of: peer) == .denied else { return }
            close(.refused, message: PortalMessage.notAdmitted, at: now)
            return
        }
        account = portal.accounts.account(
            of: peer, standing: policy.standing(of: peer), from: source, on: id)
        endAnnouncement(of: peer)
        guard !policy.letsCall(peer) else { return }
        for subscription in subscriptions.all {
            session.muxrpc.fail(subscription.stream, message: PortalMessage.membersCall)
        }
        subscriptions.removeAll()
        for leg in legs.ofClient(id) {
            post(.ended(leg.tunnel.id, message: PortalMessage.otherSideIsGone), to: leg.far.mailbox)
            session.muxrpc.fail(leg.stream, message: PortalMessage.membersCall)
            forget(leg.tunnel.id)
        }
    }

    /// Takes the announcement back that is not permitted any more; tunnels stay.
    private func endAnnouncement(of peer: PublicKey) {
        let wasHidden = portal.isHidden(id)
        guard let (refusal, notices) = portal.endUnpermitted(peer, on: id) else { return }
        if let announceCall { session.muxrpc.failAnswered(announceCall, message: refusal.message) }
        announceCall = nil
        happened(wasHidden ? .leftHidden(id) : .left(peer))
        post(notices)
    }
}
