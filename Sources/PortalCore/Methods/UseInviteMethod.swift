internal import Connection
internal import Multiserver
package import MuxRPC
internal import SecureSession
package import TypedSodium

/// `invite.use`: the holder of an invite asks to let a key in.
package enum UseInviteMethod: PortalMethod {
    static var kind: MethodKind { .async }

    static func isOpenUndenied(to standing: PortalPolicy.Standing) -> Bool { standing == .invited }

    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls) {
        calls.invite.use(request, for: feed(in: request), as: key)
    }

    /// Whom a call asks to let in; `nil` where the arguments name nobody.
    package static func feed(in request: Request) -> PublicKey? {
        request.arguments.first?["feed"]?.string.flatMap { try? PublicKey(id: $0) }
    }
}

/// The question of an invite's holder to the portal's owner; one at a time is passed on.
struct PortalInvite {
    private let peer: PortalPeer
    private var call: RequestNumber?

    init(of peer: PortalPeer) { self.peer = peer }

    /// Whether the owner has still to answer.
    var isAsked: Bool { call != nil }

    mutating func use(_ request: Request, for feed: PublicKey?, as invite: PublicKey) {
        guard let feed, feed != invite else { return peer.refuse(request, ErrorText.invalidInviteUse) }
        guard peer.settings.redeem != nil else {
            return peer.refuse(request, ErrorText.noInvites)
        }
        guard call == nil else { return peer.refuse(request, ErrorText.oneInviteUse) }
        call = request.number
        peer.ask(RedeemQuestion(call: request.number, invite: invite, feed: feed))
    }

    /// The portal's owner has decided; whether that is about the question.
    mutating func answered(_ call: RequestNumber, _ outcome: RedeemOutcome) -> Bool {
        guard call == self.call else { return false }
        self.call = nil
        switch outcome {
        case .admitted: peer.reply(true, to: call)
        case .refused(let words): peer.session.muxrpc.fail(call, message: words)
        }
        return true
    }
}

/// What a portal's owner is asked when the holder of an invite uses it.
package struct RedeemQuestion: Equatable, Sendable {
    /// The call that waits for the answer.
    package let call: RequestNumber
    /// The key that the outer handshake has proved: the invite's.
    package let invite: PublicKey
    /// The key that is to be let in.
    package let feed: PublicKey
}

/// What a portal's owner says of the use of an invite.
package enum RedeemOutcome: Equatable, Sendable {
    /// The key is a member, now or already.
    case admitted
    /// It is not let in, for a reason in the protocol's words: `invite used up`.
    case refused(String)
}
