internal import Connection
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// What a portal's connection does about the calls of its peer.
extension PortalConnection {
    func answer(_ request: Request) {
        let policy = portal.policy
        guard let peer = session.peer, let call = PortalCall(request), policy.allows(call, to: peer) else {
            // The words in which muxrpc refuses what is not in the manifest.
            refuse(request, "method:\(request.name.joined(separator: ",")) is not in list of allowed methods")
            return
        }
        switch call {
        case .announce, .announceHidden, .announceUnread, .malformedAnnounce:
            announce(request, call, as: peer)
        case .leave: leave(request, as: peer)
        case .connect: connect(request, from: peer)
        case .endpoints: subscribe(request, to: .endpoints, as: peer)
        case .attendants: subscribe(request, to: .attendants, as: peer)
        case .members: listMembers(request, of: policy, to: peer)
        case .metadata:
            let isMember = policy.standing(of: peer) == .member
            reply(PortalCall.metadata(name: portal.settings.name, isMember: isMember), to: request)
        case .ping: reply(.integer(portal.settings.wallClock()), to: request)
        case .gossipPing:
            if !pings.open(request.stream) { refuse(request, "too many pings") }
        case .whoAmI:
            reply(["id": .string(portal.identity.publicKey.id), "caller": .string(peer.id)], to: request)
        case .useInvite(let feed): useInvite(request, for: feed, as: peer)
        }
    }

    func reply(_ value: JSONValue, to request: Request) {
        // The call is open, and the answer short: nothing to be thrown.
        try? session.muxrpc.reply(to: request.number, with: value)
    }

    func refuse(_ request: Request, _ message: String) {
        if request.kind == .async {
            session.muxrpc.fail(request.number, message: message)
        } else {
            session.muxrpc.fail(request.stream, message: message)
        }
    }

    // MARK: Pings

    /// Something has come on a stream of `gossip.ping`; numbers are answered, and cost as much as calls.
    func pinged(on stream: StreamID, _ type: BodyType, _ body: ByteBuffer) {
        guard type == .json, case .number? = try? JSONValue(parsing: body) else { return }
        allowance.countCall(at: now)
        pings.asked(on: stream, at: now)
    }

    func answerPings(at now: NIODeadline) {
        while let stream = pings.popDue(at: now) { send(.integer(portal.settings.wallClock()), on: stream) }
    }

    // MARK: Lists

    private func listMembers(_ request: Request, of policy: PortalPolicy, to peer: PublicKey) {
        if policy.standing(of: peer) == .member {
            let members = policy.members.subtracting(policy.denied)
            for list in PortalCall.lists(of: members) { send(list, on: request.stream) }
        }
        session.muxrpc.end(request.stream)
    }

    private func subscribe(_ request: Request, to kind: PortalSubscriptions.Kind, as peer: PublicKey) {
        guard portal.policy.letsCall(peer) else {
            refuse(request, ErrorText.membersCall)
            return
        }
        guard subscriptions.all.count < portal.settings.subscriptionLimit else {
            refuse(request, "too many subscriptions")
            return
        }
        change(to: .announced(.subscription), as: peer)
        var subscription = PortalSubscriptions.Subscription(
            stream: request.stream, kind: kind, version: nil)
        let isListedNow = subscriptions.takesListAtOnce()
        if isListedNow { subscriptions.listed(update(&subscription), at: now) }
        subscriptions.all.append(subscription)
        if !isListedNow { subscriptions.becameStale() }
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
