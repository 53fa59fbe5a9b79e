internal import Connection
internal import MuxRPC
package import NIOCore
internal import SecureSession
internal import TypedSodium

/// What a portal's connection does about tunnels, with the other connections and for its own peer.
extension PortalConnection {
    /// The longest argument of `tunnel.connect` that is passed on, in bytes of JSON; real ones have 200.
    private static let argumentByteLimit = 16 << 10

    // MARK: Messages

    /// A message from another connection of the portal, or from its owner.
    package func deliver(_ message: consuming RelayMessage, at now: NIODeadline) {
        guard lifecycle.isOpen else { return }
        begin(at: now)
        switch consume message {
        case .open(let tunnel, let argument, let request): open(tunnel, argument: argument, request: request)
        case .packets(let tunnel, let batch):
            if !legs.attempts.isEmpty { legs.attempts.remove(tunnel) }
            if !legs.calls.append(batch, to: tunnel) { legs.queues.append(batch, to: tunnel, at: now) }
        case .ended(let tunnel, let message):
            if let call = legs.calls.removeWaiting(tunnel) { drop(call.tunnel) }
            if !askNext(insteadOf: tunnel, at: now) {
                legs.farSideEnded(tunnel, message: message, at: now)
            }
        case .resume(let tunnel): legs.resume(tunnel, at: now)
        case .cut(let tunnel, let reason): cut(tunnel, reason)
        case .overtaken: tellOvertaken(at: now)
        case .replaced: endReplaced(at: now)
        case .attendanceChanged: subscriptions.becameStale()
        case .policyChanged: followPolicy(at: now)
        case .announced(let call, let outcome): announced(call, outcome)
        case .tokensDropped: tokensDropped()
        case .redeemed(let call, let outcome): redeemed(call, outcome, at: now)
        }
        openWaiting()
        resumeProcessing(at: now)
    }

    private func cut(_ tunnel: TunnelID, _ reason: TunnelCut) {
        if let call = legs.calls.removeWaiting(tunnel) { drop(call.tunnel) }
        guard let leg = legs[tunnel] else { return }
        session.muxrpc.fail(leg.stream, message: reason.message)
        forget(tunnel)
    }

    /// Cuts the tunnels that keep others of our peer waiting.
    func judgePauses() {
        for tunnel in legs.judgePauses(at: now) {
            guard let leg = legs[tunnel] else { continue }
            post(.cut(tunnel, .slow), to: leg.far.mailbox)
            emit(.tunnelCut(tunnel, .slow))
            cut(tunnel, .slow)
        }
    }

    /// Cuts the tunnels whose senders wait for our peer in vain.
    func cutStuck(at now: NIODeadline) {
        for tunnel in legs.queues.stuck(at: now) {
            guard let leg = legs[tunnel] else { continue }
            if legs.queues.resumeIfRoom(tunnel) {
                post(.resume(tunnel), to: leg.far.mailbox)
                continue
            }
            post(.cut(tunnel, .stuck), to: leg.far.mailbox)
            emit(.tunnelCut(tunnel, .stuck))
            cut(tunnel, .stuck)
        }
    }

    // MARK: Opening

    /// Hop 1: a client wants to be connected.
    func connect(_ request: Request, from caller: PublicKey) {
        var isByToken = false
        do throws(ConnectRefusal) {
            let connect = try ConnectRequest(
                request.arguments, from: caller, at: portal.identity.publicKey)
            isByToken = connect.isByToken
            let argumentByteCount = connect.forwarded.serialized.readableBytes
            guard argumentByteCount <= Self.argumentByteLimit else { throw .invalidArguments }
            let opened = try portal.openTunnel(
                connect, from: id, of: caller, argumentByteCount: argumentByteCount)
            let tunnel = opened.tunnel
            if let displaced = opened.displaced { legs.cut(displaced, .places, into: &outputs) }
            legs.insert(PortalLeg(tunnel, stream: request.stream, on: id, at: now))
            legs.attempts.begin(connect, over: tunnel.id, others: opened.others, account: account, at: now)
            post(
                .open(tunnel, argument: connect.forwarded, request: connect.targetText),
                to: tunnel.endpoint.mailbox)
            emit(
                isByToken
                    ? .tunnelOpenedByToken(tunnel.id)
                    : .tunnelOpened(tunnel.id, from: caller, to: tunnel.endpoint.peer))
        } catch {
            session.muxrpc.fail(request.stream, message: error.message)
            emit(.refused(isByToken ? nil : caller, reason: error.reason))
        }
    }

    /// Hop 2: a client's connection has registered a tunnel that ends here.
    ///
    /// It is refused where it cannot be opened, and where the endpoint leaves too much unread: each call to it
    /// takes memory that no tunnel's queue counts.
    private func open(_ tunnel: PortalTunnel, argument: JSONValue, request: String) {
        if legs.calls.mustWait(tunnel), !tunnel.endpoint.flow.isClosed {
            legs.calls.wait(
                UnansweredCalls.Call(
                    tunnel: tunnel, argument: argument, request: request,
                    until: now + UnansweredCalls.patience))
            return
        }
        // The flow is closed where the tunnel was cut by a third connection, whose message came first.
        guard session.outboundByteCount <= portal.settings.controlByteCount, !tunnel.endpoint.flow.isClosed,
            let stream = try? session.muxrpc.open(.duplex, ["tunnel", "connect"], [argument])
        else {
            refuse(tunnel, .unreachable(request))
            return
        }
        legs.insert(PortalLeg(tunnel, stream: stream, on: id, at: now))
    }

    /// Passes calls on that need not wait any more, with what was sent behind them.
    func openWaiting() {
        while let call = legs.calls.next() {
            open(call.tunnel, argument: call.argument, request: call.request)
            for batch in call.batches { legs.queues.append(batch, to: call.tunnel.id, at: now) }
        }
    }

    /// Refuses calls that have waited in vain.
    func refuseExpired(at now: NIODeadline) {
        while let call = legs.calls.expired(at: now) { refuse(call.tunnel, .busy) }
    }

    private func refuse(_ tunnel: PortalTunnel, _ refusal: ConnectRefusal) {
        post(.ended(tunnel.id, message: refusal.message), to: tunnel.client.mailbox)
        drop(tunnel)
    }

    func end(_ stream: StreamID, message: String?) {
        if let message {
            session.muxrpc.fail(stream, message: message)
        } else {
            session.muxrpc.end(stream)
        }
    }

    func forget(_ tunnel: TunnelID) {
        legs.remove(tunnel, at: now)
        portal.forget(tunnel, on: id)
    }

    /// Forgets a tunnel whose call was not passed on.
    private func drop(_ tunnel: PortalTunnel) {
        tunnel.endpoint.flow.close()
        portal.forget(tunnel.id, on: id)
    }
}
