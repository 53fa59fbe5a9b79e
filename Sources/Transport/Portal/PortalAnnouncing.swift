internal import Account
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import Sodium
internal import Tunnel

/// What a portal's connection does about announcements, invites, and a policy that changes.
extension PortalConnection {
    // MARK: Announcements

    /// What a token that is not read yet takes, as JSON, in bytes.
    private static let unreadTokenByteCount = 128

    /// The peer announces itself by `tunnel.announce`, openly or hidden.
    func announce(_ request: Request, _ call: PortalCall, as peer: PublicKey) {
        do throws(AnnounceRefusal) {
            switch call {
            case .announceHidden(let tokens):
                try announce(.read(tokens), tokens.count * Self.unreadTokenByteCount, request, as: peer)
            case .announceUnread(let body):
                // In memory, then as JSON, which is read one at a time.
                try announce(.unread(body), 2 * body.storageCapacity, request, as: peer)
            case .announce:
                guard portal.policy.letsAnnounce(peer) else { throw .membersOnly }
                announceCall = request.number
                change(to: .announced(.explicit), as: peer)
                reply(true, to: request)
            default: throw .invalidArguments
            }
        } catch {
            happened(.announcementRefused(error == .membersOnly ? peer : nil, reason: error.message))
            refuse(request, error.message)
        }
    }

    /// Has the tokens read, off the event loop; ``announced(_:_:)`` answers.
    private func announce(
        _ tokens: AnnouncementJob.Tokens, _ byteCount: Int, _ request: Request, as peer: PublicKey
    ) throws(AnnounceRefusal) {
        let policy = portal.policy
        guard policy.letsAnnounce(peer) else { throw .membersOnly }
        guard announcing.mayChange(at: now) else { throw .tooOften }
        // In front of the work: what is refused for its tokens has been read as well.
        announcing.changes(at: now)
        guard let charge = account.charge(byteCount) else { throw .tooManyTokens }
        announcing.isBusy = true
        let job = AnnouncementJob(
            connection: id, call: request.number, tokens: tokens, source: source, charge: charge)
        if portal.announceLater(job) { callToWork() }
    }

    /// A hidden announcement was carried out, or not.
    func announced(_ call: RequestNumber, _ outcome: AnnouncementOutcome) {
        announcing.isBusy = false
        switch outcome {
        case .done, .unchanged:
            announceCall = call
            if outcome == .done { happened(.announcedHidden(id)) }
            try? session.muxrpc.reply(to: call, with: true)
        case .refused(let refusal):
            happened(.announcementRefused(nil, reason: refusal.message))
            session.muxrpc.fail(call, message: refusal.message)
        }
    }

    /// The peer's tokens had to give way to somebody who had fewer.
    func tokensDropped() {
        guard portal.isHidden(id) else { return }
        endAnnounceCall(AnnounceRefusal.tooManyTokens.message)
        happened(.leftHidden(id))
    }

    /// The peer takes its announcement back.
    func leave(_ request: Request, as peer: PublicKey) {
        change(to: .left, as: peer)
        reply(true, to: request)
    }

    /// Does what the peer wants of its announcement in the open, now or at the end of the interval.
    func change(to wish: AnnouncementPace.Wish, as peer: PublicKey) {
        // What changes nothing for others may be asked for at any time.
        let isThere = wish != .left && announcing.wish == nil && portal.isAnnounced(peer, on: id)
        guard isThere || announcing.mayChange(at: now) else { return announcing.wait(for: wish) }
        follow(wish, as: peer)
    }

    /// Does what has waited for the end of the interval.
    func changeAnnouncement(at now: NIODeadline) {
        guard !announcing.hasFallenSilent(at: now) else { return endReplaced(at: now) }
        guard let wish = announcing.takeDue(at: now), let peer = session.peer else { return }
        follow(wish, as: peer)
    }

    private func follow(_ wish: AnnouncementPace.Wish, as peer: PublicKey) {
        let happening: PortalHappening
        let notices: Portal.Notices
        switch wish {
        case .announced(let manner):
            // Who may look and not announce has only asked for the list.
            guard let announced = try? portal.announce(peer, on: id, manner) else { return }
            (happening, notices) = (.announced(peer, manner), announced)
        case .left:
            happening = portal.isHidden(id) ? .leftHidden(id) : .left(peer)
            notices = portal.leave(peer, on: id)
        }
        if notices.outcome.hasChanged {
            announcing.changes(at: now)
            happened(happening)
        }
        post(notices)
    }

    func post(_ notices: Portal.Notices) {
        if let overtaken = notices.overtaken { post(.overtaken, to: overtaken) }
        if let replaced = notices.replaced { post(.replaced, to: replaced) }
        for mailbox in notices.awakened { post(.attendanceChanged, to: mailbox) }
        if notices.callsForWork { callToWork() }
    }

    private func endAnnounceCall(_ message: String) {
        if let announceCall { session.muxrpc.failAnswered(announceCall, message: message) }
        announceCall = nil
    }

    /// How long a peer may be silent when another connection has announced its identity.
    private static let overtakenTime = TimeAmount.seconds(10)

    /// Says so in answer to the call by which the peer announced itself, which makes a node of ours give way.
    ///
    /// JavaScript does not hear it, and goes on with the connection. One whose machine has another address now does not
    /// answer, and whoever is connected to it need not wait for longer to learn that.
    func tellOvertaken(at now: NIODeadline) {
        endAnnounceCall(PortalMessage.announcedElsewhere)
        _ = try? session.muxrpc.call(["tunnel", "ping"], [])
        announcing.asks(until: now + Self.overtakenTime)
    }

    /// Says why, in answer to the call by which the peer announced itself, and ends.
    func endReplaced(at now: NIODeadline) {
        let message = PortalMessage.announcedElsewhere
        endAnnounceCall(message)
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
            happened(.notAdmitted(peer))
            close(.refused, message: PortalMessage.notAdmitted, at: now)
            return
        }
        adopt(policy.standing(of: peer), of: peer)
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
        endAnnounceCall(refusal.message)
        happened(wasHidden ? .leftHidden(id) : .left(peer))
        post(notices)
    }
}
