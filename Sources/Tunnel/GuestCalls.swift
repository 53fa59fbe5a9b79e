internal import Connection
internal import MuxRPC
internal import Multiserver
internal import SecureSession
internal import TypedSodium

/// What a peer may ask for who came through a tunnel.
extension PeerSession {
    /// Offers what somebody of this standing may call.
    func offer(to standing: EndpointPolicy.Standing, in instance: CalledInstance) {
        secure.muxrpc.manifest = NodeManifest.inside(
            for: standing, grantsCircle: instance.grantsCircle)
        limitPending(to: standing == .invite ? Self.invitePendingByteCount : Self.friendPendingByteCount)
    }

    /// What may be pending in a session of a friend, in bytes: JavaScript sends packets of 64 KiB in pieces.
    private static let friendPendingByteCount = 160 << 10
    /// What may be pending in a session of an invite's holder, in bytes: it calls one method.
    private static let invitePendingByteCount = 4 << 10

    /// Follows a change of the policy; `false` where the peer is not to be here any more.
    func followPolicy() -> Bool {
        guard let instance, let standing = instance.standing(of: secure.peer) else { return false }
        offer(to: standing, in: instance)
        let allowed = Set(instance.services(for: secure.peer))
        streams.endServices(message: ErrorText.unknownService) { !allowed.contains($0) }
        return true
    }

    /// Tells a peer that it is not let in any more; the goodbye that follows says nothing of the kind, nor do the portals
    /// of a hidden node, where it is as absent from then on as for everybody else.
    func tellRemoved() { _ = try? secure.muxrpc.call(NodeManifest.removal, []) }

    /// Whether this is a friend's call, which is answered then.
    func serve(_ request: Request, of friend: PublicKey, in instance: CalledInstance) -> Bool {
        switch request.name {
        case ["service", "list"]:
            reply(to: request, .array(instance.services(for: friend).map { .string($0) }))
        case ["service", "open"]:
            openService(request, of: friend, in: instance)
        case ["echo"]:
            if let (key, place) = place(for: request, [.streams]) {
                streams.insert(.newEcho, as: key, at: place)
            }
        case ["circle", "grant"]:
            guard instance.grantsCircle else { return false }
            if hasRoomForQuestion(request) { ask(.circleGrant, for: request, of: friend) }
        default:
            return false
        }
        return true
    }

    /// Whether this is a call by which an invite is redeemed, which is answered or asked then.
    func serve(_ request: Request, ofInvite invite: PublicKey) -> Bool {
        guard request.name == ["invite", "use"], let instance else { return false }
        guard hasRoomForQuestion(request) else { return true }
        guard let use = InviteUse(request.arguments) else {
            secure.muxrpc.fail(request.number, message: ErrorText.invalidInviteUse)
            finishInvite()
            return true
        }
        guard use.isSigned(for: instance.own, invite: invite) else {
            secure.muxrpc.fail(request.number, message: ErrorText.badSignature)
            finishInvite()
            return true
        }
        ask(.inviteUse(feed: use.feed, signature: use.signature), for: request, of: invite)
        return true
    }

    private func openService(_ request: Request, of friend: PublicKey, in instance: CalledInstance) {
        let name = request.arguments.first?["name"]?.string
        guard let name, let number = instance.number, instance.services(for: friend).contains(name) else {
            secure.muxrpc.fail(request.stream, message: ErrorText.unknownService)
            outputs.append(
                .event(
                    .unknownService(ErrorText.cut(name ?? ""), friend, instance: instance.number ?? 0)))
            return
        }
        guard let (key, place) = place(for: request, [.streams, .sockets]) else { return }
        let stream = ServiceStream(isOpener: false, localEnd: .connecting, name: name, place: place)
        streams.insert(.service(stream), as: key, at: place)
        let service = ServiceName(name, at: number)
        outputs.append(.connectService(key, service, friend: friend, place: place))
    }

    /// Has the peer pay for a stream; the stream is refused where it cannot.
    private func place(
        for request: Request, _ resources: [ScarceResource]
    ) -> (StreamKey, ServicePlace)? {
        do {
            return try streams.takePlace(for: request.stream, resources)
        } catch {
            secure.muxrpc.fail(request.stream, message: error.refusal)
            return nil
        }
    }
}
