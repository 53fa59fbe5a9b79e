internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import Relay
internal import SecureSession
internal import Sodium
internal import Tunnel

/// What a portal's connection does about the calls of its peer.
extension PortalConnection {
    func answer(_ request: Request) {
        guard let peer = session.peer, let call = PortalCall(request) else {
            refuse(request, "no such method")
            return
        }
        switch call {
        case .announce:
            announceCall = request.number
            announce(peer, .explicit)
            reply(true, to: request)
        case .refusedAnnounce(let message): refuse(request, message)
        case .leave:
            let notices = portal.leave(peer, on: id)
            if notices.isDone { happened(.left(peer)) }
            post(notices)
            reply(true, to: request)
        case .connect: connect(request, from: peer)
        case .endpoints: subscribe(request, to: .endpoints, as: peer)
        case .attendants: subscribe(request, to: .attendants, as: peer)
        case .members: session.muxrpc.end(request.stream)
        case .metadata: reply(PortalCall.metadata(name: portal.settings.name), to: request)
        case .ping: reply(.integer(portal.settings.wallClock()), to: request)
        case .whoAmI:
            reply(["id": .string(portal.identity.publicKey.id), "caller": .string(peer.id)], to: request)
        }
    }

    private func reply(_ value: JSONValue, to request: Request) {
        // The call is open, and the answer short: nothing to be thrown.
        try? session.muxrpc.reply(to: request.number, with: value)
    }

    private func refuse(_ request: Request, _ message: String) {
        if request.kind == .async {
            session.muxrpc.fail(request.number, message: message)
        } else {
            session.muxrpc.fail(request.stream, message: message)
        }
    }

    // MARK: Announcements

    private func announce(_ peer: PublicKey, _ manner: PortalDirectory.Manner) {
        let notices = portal.announce(peer, on: id, manner)
        if notices.isDone { happened(.announced(peer, manner)) }
        post(notices)
    }

    /// Says why, in answer to the call by which the peer announced itself, and ends.
    func endReplaced(at now: NIODeadline) {
        let message = PortalMessage.announcedElsewhere
        if let announceCall { session.muxrpc.failAnswered(announceCall, message: message) }
        for subscription in subscriptions.all { session.muxrpc.fail(subscription.stream, message: message) }
        close(.replaced, message: PortalMessage.otherSideIsGone, at: now)
    }

    // MARK: Lists

    private func subscribe(_ request: Request, to kind: PortalSubscriptions.Kind, as peer: PublicKey) {
        guard subscriptions.all.count < portal.settings.subscriptionLimit else {
            refuse(request, "too many subscriptions")
            return
        }
        announce(peer, .subscription)
        var subscription = PortalSubscriptions.Subscription(
            stream: request.stream, kind: kind, version: nil)
        _ = update(&subscription)
        subscriptions.all.append(subscription)
    }

    func updateSubscribers(at now: NIODeadline) {
        guard session.outboundByteCount <= portal.settings.subscriberByteCount else {
            subscriptions.wait()
            return
        }
        var listedCount = 0
        for index in subscriptions.all.indices { listedCount += update(&subscriptions.all[index]) }
        subscriptions.updated(at: now, listing: listedCount)
    }

    /// Tells a subscriber what it does not know yet; how many ids that took.
    private func update(_ subscription: inout PortalSubscriptions.Subscription) -> Int {
        let known = subscription.kind == .attendants ? subscription.version : nil
        let (update, version) = portal.update(for: id, since: known)
        guard version != subscription.version else { return 0 }
        subscription.version = version
        switch (update, subscription.kind) {
        case (.changes(let changes), .attendants):
            for change in changes { send(change.json, on: subscription.stream) }
            return changes.count
        case (.state(let ids), .attendants):
            send(["type": "state", "ids": .array(ids.map { .string($0) })], on: subscription.stream)
            return ids.count
        case (.state(let ids), .endpoints):
            send(.array(ids.map { .string($0) }), on: subscription.stream)
            return ids.count
        case (.changes, .endpoints):
            return 0  // is not asked for
        }
    }

    private func send(_ value: JSONValue, on stream: StreamID) {
        do throws(MuxRPCError) {
            try session.muxrpc.send(value, on: stream)
        } catch {
            // A list of more than 19,000 ids is longer than a packet may be.
            session.muxrpc.fail(stream, message: "the list is too long")
        }
    }
}
