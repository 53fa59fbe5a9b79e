internal import Blinding
internal import Connection
internal import Invitation
internal import Multiserver
internal import MuxRPC
internal import TypedSodium

/// `invite.use`: the holder of an invite asks the owner that a feed become a friend by it.
enum UseInvite: NodeMethod {
    static let method = Method.useInvite
    static let asksOwner = true
    static let endsSession = true

    static func isOffered(to caller: MethodCaller) -> Bool { caller.isInvite }

    static func answer(_ call: MethodCall) -> MethodAnswer {
        guard case .guest(let invite, _, let instance) = call.caller, let use = InviteUse(call.arguments)
        else { return .failure(ErrorText.invalidInviteUse) }
        guard use.isSigned(for: instance.own, invite: invite) else { return .failure(ErrorText.badSignature) }
        return .question(.inviteUse(feed: use.feed, signature: use.signature))
    }
}

/// The arguments of `invite.use`: `[{"feed": "@F.ed25519", "signature": "<b64>"}]`.
private struct InviteUse {
    /// Who wants to become a friend.
    let feed: PublicKey
    /// The feed's signature over endpoint, invite and feed.
    let signature: Signature

    /// Reads the arguments; `nil` for any but canonical ones.
    init?(_ arguments: [JSONValue]) {
        guard arguments.count == 1, let id = arguments[0]["feed"]?.string,
            let feed = try? PublicKey(id: id), feed.id == id,
            let text = arguments[0]["signature"]?.string,
            text.utf8.count == Base64.digitCount(forByteCount: Signature.byteCount),
            let bytes = try? Base64.bytes(of: text), let signature = try? FixedBytes<64>(bytes)
        else { return nil }
        self.feed = feed
        self.signature = Signature(signature)
    }

    /// Whether the feed itself wants this invite of this endpoint.
    func isSigned(for endpoint: PublicKey, invite: PublicKey) -> Bool {
        let message = try? RedeemMessage(
            endpoint: EndpointKey(endpoint), invite: InviteKey(invite), friend: FriendKey(feed))
        return message?.isSigned(with: signature) ?? false
    }
}
