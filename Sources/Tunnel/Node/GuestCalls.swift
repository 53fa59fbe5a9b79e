internal import MuxRPC
internal import Multiserver
internal import SecureSession
internal import Sodium

/// What a peer may ask for who came through a tunnel.
extension PeerSession {
    /// Offers what somebody of this standing may call.
    func offer(to standing: EndpointPolicy.Standing, in house: CalledInstance) {
        secure.muxrpc.manifest = NodeManifest.inside(
            for: standing, grantsCircle: house.grantsCircle)
        limitPending(to: standing == .invite ? Self.invitePendingByteCount : Self.friendPendingByteCount)
    }

    /// What may be pending in a session of a friend, in bytes: JavaScript sends packets of 64 KiB in pieces.
    private static let friendPendingByteCount = 160 << 10
    /// What may be pending in a session of an invite's holder, in bytes: it calls one method.
    private static let invitePendingByteCount = 4 << 10

    /// Follows a change of the policy; `false` where the peer is not to be here any more.
    func followPolicy() -> Bool {
        guard let house, let standing = house.standing(of: secure.peer) else { return false }
        offer(to: standing, in: house)
        let allowed = Set(house.services(for: secure.peer))
        streams.endServices(message: NodeErrorText.unknownService) { !allowed.contains($0) }
        return true
    }

    /// Tells a peer that it is not let in any more; the goodbye that follows says nothing of the kind, nor do the portals
    /// of a hidden node, where it is as absent from then on as for everybody else.
    func tellRemoved() { _ = try? secure.muxrpc.call(NodeManifest.removal, []) }

    /// Whether this is a friend's call, which is answered then.
    func serve(_ request: Request, of friend: PublicKey, in house: CalledInstance) -> Bool {
        switch request.name {
        case ["service", "list"]:
            reply(to: request, .array(house.services(for: friend).map { .string($0) }))
        case ["service", "open"]:
            openService(request, of: friend, in: house)
        case ["echo"]:
            if let (key, place) = place(for: request, [.streams]) {
                streams.insert(.newEcho, as: key, at: place)
            }
        case ["circle", "grant"]:
            guard house.grantsCircle else { return false }
            if hasRoomForQuestion(request) { ask(.circleGrant, for: request, of: friend) }
        default:
            return false
        }
        return true
    }

    /// Whether this is a call by which an invite is redeemed, which is answered or asked then.
    func serve(_ request: Request, ofInvite invite: PublicKey) -> Bool {
        guard request.name == ["invite", "use"], let house else { return false }
        guard hasRoomForQuestion(request) else { return true }
        guard let use = InviteUse(request.arguments) else {
            secure.muxrpc.fail(request.number, message: NodeErrorText.invalidInviteUse)
            finishInvite()
            return true
        }
        guard use.isSigned(for: house.own, invite: invite) else {
            secure.muxrpc.fail(request.number, message: NodeErrorText.badSignature)
            finishInvite()
            return true
        }
        ask(.inviteUse(feed: use.feed, signature: use.signature), for: request, of: invite)
        return true
    }

    private func openService(_ request: Request, of friend: PublicKey, in house: CalledInstance) {
        let name = request.arguments.first?["name"]?.string
        guard let name, let instance = house.number, house.services(for: friend).contains(name) else {
            secure.muxrpc.fail(request.stream, message: NodeErrorText.unknownService)
            outputs.append(
                .happened(
                    .unknownService(ConnectRefusal.cut(name ?? ""), friend, instance: house.number ?? 0)))
            return
        }
        guard let (key, place) = place(for: request, [.streams, .sockets]) else { return }
        let stream = ServiceStream(isOpener: false, localEnd: .connecting, name: name, place: place)
        streams.insert(.service(stream), as: key, at: place)
        let service = ServiceName(name, at: instance)
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
