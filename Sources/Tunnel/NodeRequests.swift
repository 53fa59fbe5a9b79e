internal import Connection
package import Blinding
package import MuxRPC
internal import Multiserver
package import NIOCore
internal import SecureSession
package import TypedSodium

/// What a connection's owner asks for.
extension NodeConnection {
    /// Announces this node by its id at the portal; ``NodeOutput/announced`` or ``NodeOutput/announcementEnded(_:)``
    /// follows.
    package func announce() {
        precondition(!isHidden, "a hidden endpoint announces tokens and nothing else")
        guard !isEnded else { return }
        calls.announce()
        settle()
    }

    /// Announces tokens in the place of all before, in this order, which the caller has shuffled;
    /// ``NodeOutput/tokensAnnounced(_:_:)`` follows unless the connection ends first.
    ///
    /// Until the portal has answered, the tokens of both sets are answered. One announcement is outstanding at a time:
    /// another one waits, and is replaced by the next.
    /// - Throws: `MuxRPCError` when the portal cannot be asked; the former tokens stay.
    package func announce(hidden entries: [TokenEntry]) throws(MuxRPCError) -> AnnouncementID {
        precondition(isHidden, "only a hidden endpoint answers tokens")
        guard !isEnded else { throw .closed }
        defer { settle() }
        return try calls.announce(hidden: entries)
    }

    private var isHidden: Bool {
        if case .hidden = configuration.reception { true } else { false }
    }

    /// Changes what is offered to whom, at once: peers that are not allowed any more are said goodbye to, and
    /// the streams of services that are not are ended with ``ErrorText/unknownService``.
    ///
    /// Does nothing at a node that only dials.
    package func update(policy: EndpointPolicy) {
        guard !isEnded, let current = tunnels.policy else { return }
        current.policy = policy
        tunnels.followPolicy()
        settle()
    }

    /// Answers a peer's question; does nothing where it was answered, or its session is over.
    package func answer(_ question: QuestionID, with answer: Answer) {
        session(question.session)?.answer(question, with: answer)
        settle()
    }

    // MARK: Sessions

    /// Opens a tunnel to the target behind this portal, and a session inside; ``NodeOutput/established(_:_:)`` or
    /// ``NodeOutput/ended(_:_:)`` follows.
    ///
    /// A hidden target is called by its token, and by the key that it shows the portal where that is known, which is all
    /// that the portal then sees of it. The target gets to know `identity`, this node's own unless it is that of an
    /// invite.
    /// - Throws: ``SessionFailure/lost`` when the connection takes no more, ``SessionFailure/wrongPeer`` for a target
    ///   that cannot be anybody.
    package func openTunnel(
        to target: PublicKey, token: PairToken? = nil, by shownKey: PublicKey? = nil, instance: Int = 0,
        as identity: Identity? = nil, at now: NIODeadline
    ) throws(SessionFailure) -> SessionID {
        guard !isEnded, !tunnels.isLeaving else { throw .lost }
        let secure: SecureSession
        do {
            secure = try SecureSession(
                dialling: target, as: identity ?? configuration.identity, network: configuration.network,
                manifest: NodeMethods.manifest(for: .endpoint), framing: .tunnelled)
        } catch {
            throw .wrongPeer
        }
        let text = token?.target ?? target.id
        var fields = JSONObject()
        fields["portal"] = .string(remote.id)
        fields["target"] = .string(text)
        fields["instance"] = .integer(Int64(instance))
        if token != nil, let shownKey { fields["by"] = .string(shownKey.id) }
        do {
            let stream = try outer.secure.muxrpc.open(.duplex, Method.connect.name, [.object(fields)])
            let session = tunnels.add(secure, on: stream, target: text, called: target, at: now)
            settle()
            return session
        } catch {
            throw .lost
        }
    }

    /// Says goodbye on a session inside a tunnel.
    package func closeTunnel(_ session: SessionID) {
        tunnels.session(session)?.secure.close()
        settle()
    }

    /// Calls an async method; ``NodeOutput/reply(_:_:)`` follows unless the session ends first.
    ///
    /// - Throws: ``MuxRPCError``.
    package func call(
        _ name: [String], _ arguments: [JSONValue], on session: SessionID
    ) throws(MuxRPCError) -> CallID {
        defer { settle() }
        guard let peer = self.session(session) else { throw .closed }
        return CallID(session: session, number: try peer.secure.muxrpc.call(name, arguments))
    }

    // MARK: Streams

    /// Opens a stream whose packets come as ``NodeOutput/item(_:_:_:)``.
    ///
    /// - Throws: ``MuxRPCError``.
    package func openItems(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue], on session: SessionID
    ) throws(MuxRPCError) -> StreamKey {
        defer { settle() }
        guard let peer = self.session(session) else { throw .closed }
        return try peer.streams.openItems(kind, name, arguments)
    }

    /// Opens `service.open` with that name, or `echo`: a stream with credit.
    ///
    /// - Throws: ``MuxRPCError``.
    package func openService(_ service: ServiceRequest, on session: SessionID) throws(MuxRPCError)
        -> StreamKey
    {
        defer { settle() }
        guard let peer = self.session(session) else { throw .closed }
        return try peer.streams.openService(service)
    }

    /// The local end of a service that the far side asked for stands.
    package func serviceConnected(_ key: StreamKey) { with(key) { $0.connected(key) } }

    /// The service cannot be had, or a stream is to end in the middle: the far side gets the message.
    package func refuseService(_ key: StreamKey, message: String) {
        with(key) { $0.abort(key, message: message) }
    }

    /// Sends bytes of the local end; `false` when it should wait for ``ServiceEvent/wantsMore``.
    package func send(_ bytes: ByteBuffer, on key: StreamKey) -> Bool {
        var takesMore = true
        noteUnwritten()
        with(key) { takesMore = $0.offer(bytes, on: key) }
        return takesMore
    }

    /// The local end has no more bytes.
    package func sendEnd(on key: StreamKey) { with(key) { $0.offerEnd(on: key) } }

    /// The local end has taken bytes that were received.
    package func drained(_ byteCount: Int, on key: StreamKey) { with(key) { $0.drained(byteCount, on: key) } }

    private func with(_ key: StreamKey, _ body: (PeerStreams) -> Void) {
        guard let peer = session(key.session) else { return }
        body(peer.streams)
        settle()
    }

    func session(_ id: SessionID) -> PeerSession? {
        guard id == .outer else { return tunnels.session(id) }
        return isEnded ? nil : outer
    }
}
