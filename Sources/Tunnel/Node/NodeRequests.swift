public import MuxRPC
internal import Multiserver
public import NIOCore
internal import SecureSession
public import Sodium

/// What a connection's owner asks for.
extension NodeConnection {
    /// Announces this node at the portal.
    public func announce() {
        guard !isEnded else { return }
        calls.announce()
        settle()
    }

    // MARK: Sessions

    /// Opens a tunnel to the target behind this portal, and a session inside; ``NodeOutput/established(_:_:)`` or
    /// ``NodeOutput/ended(_:_:)`` follows.
    ///
    /// - Throws: ``SessionFailure/lost`` when the connection takes no more, ``SessionFailure/wrongPeer`` for a target
    ///   that cannot be anybody.
    public func openTunnel(
        to target: PublicKey, instance: Int = 0, at now: NIODeadline
    ) throws(SessionFailure) -> SessionID {
        guard !isEnded else { throw .lost }
        let secure: SecureSession
        do {
            secure = try SecureSession(
                dialling: target, as: configuration.identity, network: configuration.network,
                manifest: NodeManifest.client, framing: .tunnelled)
        } catch {
            throw .wrongPeer
        }
        let argument: JSONValue = [
            "portal": .string(remote.id), "target": .string(target.id), "instance": .integer(Int64(instance)),
        ]
        do {
            let stream = try outer.secure.muxrpc.open(.duplex, ["tunnel", "connect"], [argument])
            let session = tunnels.add(secure, on: stream, target: target.id, policy: nil, at: now)
            settle()
            return session
        } catch {
            throw .lost
        }
    }

    /// Says goodbye on a session inside a tunnel.
    public func closeTunnel(_ session: SessionID) {
        tunnels.session(session)?.secure.close()
        settle()
    }

    /// Calls an async method; ``NodeOutput/reply(_:_:)`` follows unless the session ends first.
    ///
    /// - Throws: ``MuxRPCError``.
    public func call(
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
    public func openItems(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue], on session: SessionID
    ) throws(MuxRPCError) -> StreamKey {
        defer { settle() }
        guard let peer = self.session(session) else { throw .closed }
        return try peer.streams.openItems(kind, name, arguments)
    }

    /// Opens `service.open` with that name, or `echo`: a stream with credit.
    ///
    /// - Throws: ``MuxRPCError``.
    public func openService(_ service: ServiceRequest, on session: SessionID) throws(MuxRPCError) -> StreamKey
    {
        defer { settle() }
        guard let peer = self.session(session) else { throw .closed }
        return try peer.streams.openService(service)
    }

    /// The local end of a service that the far side asked for stands.
    public func serviceConnected(_ key: StreamKey) { with(key) { $0.connected(key) } }

    /// The service cannot be had, or a stream is to end in the middle: the far side gets the message.
    public func refuseService(_ key: StreamKey, message: String) {
        with(key) { $0.abort(key, message: message) }
    }

    /// Sends bytes of the local end; `false` when it should wait for ``ServiceEvent/wantsMore``.
    public func send(_ bytes: ByteBuffer, on key: StreamKey) -> Bool {
        var takesMore = true
        with(key) { takesMore = $0.offer(bytes, on: key) }
        return takesMore
    }

    /// The local end has no more bytes.
    public func sendEnd(on key: StreamKey) { with(key) { $0.offerEnd(on: key) } }

    /// The local end has taken bytes that were received.
    public func drained(_ byteCount: Int, on key: StreamKey) { with(key) { $0.drained(byteCount, on: key) } }

    private func with(_ key: StreamKey, _ body: (PeerStreams) -> Void) {
        guard let peer = session(key.session) else { return }
        body(peer.streams)
        settle()
    }

    private func session(_ id: SessionID) -> PeerSession? {
        guard id == .outer else { return tunnels.session(id) }
        return isEnded ? nil : outer
    }
}
