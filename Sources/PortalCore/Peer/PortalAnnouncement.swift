internal import Account
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// The announcement of a connection: what its peer asks for, when it may change, and what became of it.
struct PortalAnnouncement {
    /// What a token that is not read yet takes, as JSON, in bytes.
    private static let unreadTokenByteCount = 128

    private let peer: PortalPeer
    private var pace: AnnouncementPace
    /// The latest `tunnel.announce`, to which a replacement is reported.
    private var call: RequestNumber?

    /// Nothing is announced.
    init(of peer: PortalPeer) {
        self.peer = peer
        pace = AnnouncementPace(interval: peer.settings.tokenLimits.interval)
    }

    /// When ``followDue()`` has something to do.
    var deadline: NIODeadline? { pace.deadline }

    // MARK: What the peer asks for

    /// The peer announces itself by `tunnel.announce`, openly or hidden.
    mutating func announce(_ announcement: AnnounceRequest, _ request: Request, as key: PublicKey) {
        do throws(AnnounceRefusal) {
            switch announcement {
            case .hidden(let tokens):
                try announce(.read(tokens), tokens.count * Self.unreadTokenByteCount, request, as: key)
            case .unread(let body):
                // In memory, then as JSON, which is read one at a time.
                try announce(.unread(body), 2 * body.storageCapacity, request, as: key)
            case .open:
                guard peer.portal.policy.letsAnnounce(key) else { throw .membersOnly }
                call = request.number
                change(to: .announced(.explicit), as: key)
                peer.reply(true, to: request)
            case .malformed: throw .invalidArguments
            }
        } catch {
            noteRefused(error, as: error == .membersOnly ? key : nil)
            peer.refuse(request, error.message)
        }
    }

    private func noteRefused(_ refusal: AnnounceRefusal, as key: PublicKey?) {
        peer.count { $0.announcementRefusals[refusal, default: 0] += 1 }
        peer.emit(.announcementRefused(key, reason: refusal.message))
    }

    /// Has the tokens read, off the event loop; ``announced(_:_:)`` answers.
    private mutating func announce(
        _ tokens: AnnouncementJob.Tokens, _ byteCount: Int, _ request: Request, as key: PublicKey
    ) throws(AnnounceRefusal) {
        guard peer.portal.policy.letsAnnounce(key) else { throw .membersOnly }
        guard pace.mayChange(at: peer.now) else { throw .tooOften }
        // In front of the work: what is refused for its tokens has been read as well.
        pace.changes(at: peer.now)
        guard let charge = peer.account.charge(byteCount) else { throw .tooManyTokens }
        pace.isBusy = true
        let job = AnnouncementJob(
            connection: peer.id, call: request.number, tokens: tokens, source: peer.source, charge: charge
        )
        if peer.portal.announceLater(job) { peer.callToWork() }
    }

    /// The peer takes its announcement back.
    mutating func leave(_ request: Request, as key: PublicKey) {
        change(to: .left, as: key)
        peer.reply(true, to: request)
    }

    /// Does what the peer wants of its announcement in the open, now or at the end of the interval.
    mutating func change(to wish: AnnouncementPace.Wish, as key: PublicKey) {
        // What changes nothing for others may be asked for at any time.
        let isThere = wish != .left && pace.wish == nil && peer.portal.isAnnounced(key, on: peer.id)
        guard isThere || pace.mayChange(at: peer.now) else { return pace.wait(for: wish) }
        follow(wish, as: key)
    }

    /// Does what has waited for the end of the interval.
    mutating func followDue() {
        guard let wish = pace.takeDue(at: peer.now), let key = peer.key else { return }
        follow(wish, as: key)
    }

    private mutating func follow(_ wish: AnnouncementPace.Wish, as key: PublicKey) {
        let event: PortalEvent
        let notices: Portal.Notices
        switch wish {
        case .announced(let manner):
            // Who may look and not announce has only asked for the list.
            guard let announced = try? peer.portal.announce(key, on: peer.id, manner) else { return }
            (event, notices) = (.announced(key, manner), announced)
            if announced.outcome.hasChanged { peer.count { $0.announcements[.open, default: 0] += 1 } }
        case .left:
            event = peer.portal.isHidden(peer.id) ? .leftHidden(peer.id) : .left(key)
            notices = peer.portal.leave(key, on: peer.id)
        }
        if notices.outcome.hasChanged {
            pace.changes(at: peer.now)
            peer.emit(event)
        }
        peer.post(notices)
    }

    // MARK: What became of it

    /// A hidden announcement was carried out, or not.
    mutating func announced(_ call: RequestNumber, _ outcome: AnnouncementOutcome) {
        pace.isBusy = false
        switch outcome {
        case .done, .unchanged:
            self.call = call
            if outcome == .done {
                peer.count { $0.announcements[.hidden, default: 0] += 1 }
                peer.emit(.announcedHidden(peer.id))
            }
            peer.reply(true, to: call)
        case .refused(let refusal):
            noteRefused(refusal, as: nil)
            peer.session.muxrpc.fail(call, message: refusal.message)
        }
    }

    /// The peer's tokens had to give way to somebody who had fewer.
    mutating func tokensDropped() {
        guard peer.portal.isHidden(peer.id) else { return }
        end(message: AnnounceRefusal.tooManyTokens.message)
        peer.emit(.leftHidden(peer.id))
    }

    /// Takes the announcement back that is not permitted any more.
    mutating func endUnpermitted(of key: PublicKey) {
        let wasHidden = peer.portal.isHidden(peer.id)
        guard let (refusal, notices) = peer.portal.endUnpermitted(key, on: peer.id) else { return }
        end(message: refusal.message)
        peer.emit(wasHidden ? .leftHidden(peer.id) : .left(key))
        peer.post(notices)
    }

    /// Says in answer to the call by which the peer announced itself that this is over, and why.
    mutating func end(message: String) {
        if let call { peer.session.muxrpc.failAnswered(call, message: message) }
        call = nil
    }
}
