public import MuxRPC
internal import Multiserver
public import NIOCore
public import SecretHandshake
internal import SecureSession
public import Sodium

/// A node's connection to a portal, or straight to a peer, with the sessions inside its tunnels.
///
/// It serves both roles: an endpoint announces itself and answers tunnels, a client opens them. It knows no socket
/// and no clock: bytes and time come in; bytes, and what the owner has to do, come out.
public final class NodeConnection {
    /// Who this node is, and how it behaves.
    public struct Configuration: Sendable {
        /// The key that friends know.
        public var identity: Identity
        /// The network that both handshakes speak.
        public var network: NetworkIdentifier
        /// What to offer to those who come through a tunnel; `nil` for a node that only dials.
        public var policy: EndpointPolicy?
        /// Milliseconds since 1970, for peers that ask.
        public var wallClock: @Sendable () -> Int64

        /// A configuration.
        public init(
            identity: Identity, network: NetworkIdentifier, policy: EndpointPolicy? = nil,
            wallClock: @escaping @Sendable () -> Int64
        ) {
            self.identity = identity
            self.network = network
            self.policy = policy
            self.wallClock = wallClock
        }
    }

    /// How long a handshake may take, outer or inner.
    public static let handshakeTime = TimeAmount.seconds(10)
    /// How long the peer's goodbye is awaited before the connection is ended without it.
    public static let goodbyeTime = TimeAmount.seconds(2)
    /// How many inner handshakes may be unfinished at a time; each costs us two key agreements.
    public static let unfinishedHandshakeLimit = 64
    /// How much may wait for the socket before local ends, and then the peer, are read no more; in bytes.
    ///
    /// 512 KiB keeps a fast path busy for a round trip; a frame behind it waits a millisecond or two.
    public static let localBacklogByteCount = 512 << 10
    /// 4 MiB: only peers get there that send without credit and do not read.
    public static let backlogByteCount = 4 << 20

    private let configuration: Configuration
    private let remote: PublicKey
    private let outputs = NodeOutputs()
    private let outer: PeerSession
    private let tunnels: TunnelTable
    private var liveness: Liveness
    private var handshakeDeadline: NIODeadline?
    private var goodbyeDeadline: NIODeadline?
    private var announceCall: RequestNumber?
    private var isEnded = false

    /// Whether the connection is to be cut, whatever waits.
    public private(set) var isBroken = false

    /// Dials the portal or peer with that key, showing `outerIdentity` to it.
    ///
    /// - Throws: ``SessionFailure/wrongPeer`` for a key that cannot be anybody's.
    public init(
        to remote: PublicKey, showing outerIdentity: Identity, configuration: Configuration,
        at now: NIODeadline
    ) throws(SessionFailure) {
        self.configuration = configuration
        self.remote = remote
        let manifest = configuration.policy == nil ? NodeManifest.client : NodeManifest.endpoint
        let secure: SecureSession
        do {
            secure = try SecureSession(
                dialling: remote, as: outerIdentity, network: configuration.network, manifest: manifest)
        } catch {
            throw .wrongPeer
        }
        outer = PeerSession(
            id: .outer, secure: secure, policy: nil, outputs: outputs, wallClock: configuration.wallClock)
        tunnels = TunnelTable(configuration: configuration, outer: secure, outputs: outputs)
        liveness = Liveness(heardAt: now)
        handshakeDeadline = now + Self.handshakeTime
    }

    // MARK: Bytes and time

    /// Bytes arrived from the socket.
    public func receive(_ bytes: ByteBuffer, at now: NIODeadline) {
        guard !isEnded else { return }
        liveness.heard(at: now)
        outer.secure.receive(bytes)
        do throws(SecureSessionError) {
            while let concern = try outer.next() { see(to: concern, at: now) }
            tunnels.feed()
        } catch {
            end(SessionFailure(error))
        }
        settle()
    }

    /// The socket will bring nothing more.
    public func inputEnded(at now: NIODeadline) {
        guard !isEnded else { return }
        do throws(SecureSessionError) {
            try outer.secure.inputEnded()
            end(nil)
        } catch {
            end(SessionFailure(error))
        }
    }

    /// When ``timeReached(_:)`` is due next.
    public var deadline: NIODeadline? {
        guard !isEnded else { return goodbyeDeadline }
        return [handshakeDeadline ?? liveness.deadline, goodbyeDeadline, tunnels.deadline].compactMap(\.self)
            .min()
    }

    /// The clock reached ``deadline``.
    public func timeReached(_ now: NIODeadline) {
        if let goodbyeDeadline, now >= goodbyeDeadline {
            self.goodbyeDeadline = nil
            outer.secure.finish()
            end(nil)
            return
        }
        guard !isEnded else { return }
        if let handshakeDeadline {
            if now >= handshakeDeadline { return end(.timedOut) }
        } else {
            switch liveness.timeReached(now) {
            case .wait: break
            case .ask: _ = try? outer.secure.muxrpc.call(["tunnel", "ping"], [])
            case .giveUp: return end(.timedOut)
            }
        }
        tunnels.timeReached(now)
        settle()
    }

    /// The next bytes for the socket.
    public func nextWrite() -> ByteBuffer? { outer.secure.nextOutbound() }

    /// The next thing for the owner.
    public func nextOutput() -> NodeOutput? { outputs.next() }

    /// Whether the socket should be read.
    public var wantsInput: Bool { outer.secure.outboundByteCount < Self.backlogByteCount }

    /// Whether local ends should be read.
    public var wantsLocalInput: Bool { outer.secure.outboundByteCount < Self.localBacklogByteCount }

    /// Whether everything is said, so that the socket is to be closed behind the last write.
    public var isFinished: Bool { outer.secure.isFinished }

    /// Says goodbye on every session, in order: inner ones, their tunnels, the connection.
    public func close(at now: NIODeadline) {
        guard !isEnded, goodbyeDeadline == nil else { return }
        guard outer.secure.isOpen else { return end(nil) }
        tunnels.close()
        outer.secure.close()
        goodbyeDeadline = now + Self.goodbyeTime
        settle()
    }

    // MARK: What the owner asks for

    /// Announces this node at the portal.
    public func announce() {
        announceCall = try? outer.secure.muxrpc.call(["tunnel", "announce"], [])
        settle()
    }

    /// Opens a tunnel to the target behind this portal, and a session inside; ``NodeOutput/established(_:_:)`` or
    /// ``NodeOutput/ended(_:_:)`` follows.
    ///
    /// - Throws: ``SessionFailure/lost`` when the connection takes no more, ``SessionFailure/wrongPeer`` for a target
    ///   that cannot be anybody.
    public func openTunnel(
        to target: PublicKey, instance: Int = 0, at now: NIODeadline
    ) throws(SessionFailure) -> SessionID {
        let secure: SecureSession
        do {
            secure = try SecureSession(
                dialling: target, as: configuration.identity, network: configuration.network,
                manifest: NodeManifest.client, framing: .tunnelled)
        } catch {
            throw .wrongPeer
        }
        do {
            let stream = try outer.secure.muxrpc.open(
                .duplex, ["tunnel", "connect"],
                [
                    [
                        "portal": .string(remote.id), "target": .string(target.id),
                        "instance": .integer(Int64(instance)),
                    ]
                ])
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

    /// Opens a stream whose packets come as ``NodeOutput/item(_:_:_:)``.
    ///
    /// - Throws: ``MuxRPCError``.
    public func openItems(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue], on session: SessionID
    ) throws(MuxRPCError) -> StreamKey {
        defer { settle() }
        guard let peer = self.session(session) else { throw .closed }
        return StreamKey(session: session, stream: try peer.openItems(kind, name, arguments))
    }

    /// Opens `service.open` with that name, or `echo`: a stream with credit.
    ///
    /// - Throws: ``MuxRPCError``.
    public func openService(_ service: ServiceRequest, on session: SessionID) throws(MuxRPCError) -> StreamKey
    {
        defer { settle() }
        guard let peer = self.session(session) else { throw .closed }
        return StreamKey(session: session, stream: try peer.openService(service.method, service.arguments))
    }

    /// The local end of a service that the far side asked for stands.
    public func serviceConnected(_ key: StreamKey) { with(key) { $0.connected(key.stream) } }

    /// The service cannot be had, or a stream is to end in the middle: the far side gets the message.
    public func refuseService(_ key: StreamKey, message: String) {
        with(key) { $0.abort(key.stream, message: message) }
    }

    /// Sends bytes of the local end; `false` when it should wait for ``ServiceEvent/wantsMore``.
    public func send(_ bytes: ByteBuffer, on key: StreamKey) -> Bool {
        var takesMore = true
        with(key) { takesMore = $0.offer(bytes, on: key.stream) }
        return takesMore
    }

    /// The local end has no more bytes.
    public func sendEnd(on key: StreamKey) { with(key) { $0.offerEnd(on: key.stream) } }

    /// The local end has taken bytes that were received.
    public func drained(_ byteCount: Int, on key: StreamKey) {
        with(key) { $0.drained(byteCount, on: key.stream) }
    }

    private func with(_ key: StreamKey, _ body: (PeerSession) -> Void) {
        guard let peer = session(key.session) else { return }
        body(peer)
        settle()
    }

    private func session(_ id: SessionID) -> PeerSession? {
        guard id == .outer else { return tunnels.session(id) }
        return isEnded ? nil : outer
    }

    // MARK: The outer session

    private func see(to concern: PeerSession.Concern, at now: NIODeadline) {
        switch concern {
        case .established(let peer):
            handshakeDeadline = nil
            outputs.append(.established(.outer, peer))
        case .request(let request):
            answerTunnel(request, at: now)
        case .reply(let number, let reply):
            receive(reply, to: number)
        case .lateFailure(let number, let error):
            if number == announceCall { outputs.append(.announcementEnded(error)) }
        case .packet(let stream):
            tunnels.openPacket(on: stream)
        case .bytes(let stream, let bytes):
            tunnels.receive(bytes, on: stream)
        case .streamEnded(let stream, let error):
            tunnels.end(stream, error)
        case .ended:
            tunnels.feed()
            end(nil)
        case .client:
            outer.secure.refuse()  // we dialled: nobody proves anything to us here
        }
    }

    private func receive(_ reply: Reply, to number: RequestNumber) {
        guard number == announceCall else {
            outputs.append(.reply(CallID(session: .outer, number: number), reply))
            return
        }
        if case .failure(let error) = reply {
            outputs.append(.announcementEnded(error))
        } else {
            outputs.append(.announced)
        }
    }

    /// Answers a portal's `tunnel.connect`: what is left out is filled in as every known portal means it.
    private func answerTunnel(_ request: Request, at now: NIODeadline) {
        let arguments = request.arguments.first
        let target = arguments?["target"]?.string ?? ""
        let portal = arguments?["portal"]
        let instance = arguments?["instance"]
        guard target == configuration.identity.publicKey.id,
            portal == nil || portal == .null || portal?.string == remote.id,
            instance == nil || instance == .null || instance?.integer == 0,
            configuration.policy != nil, tunnels.unfinishedCount < Self.unfinishedHandshakeLimit
        else {
            outer.secure.muxrpc.fail(
                request.stream, message: NodeErrorText.couldNotConnect(to: target))
            return
        }
        let secure = SecureSession(
            answeringAs: configuration.identity, network: configuration.network,
            manifest: NodeManifest.friend, framing: .tunnelled)
        tunnels.add(
            secure, on: request.stream, target: target, policy: configuration.policy, at: now)
    }

    // MARK: Settling

    /// Lays what every session has to say into the connection; once after every input.
    private func settle() {
        outer.settle()
        tunnels.settle()
    }

    /// The connection is over: with it every session.
    private func end(_ failure: SessionFailure?) {
        guard !isEnded else { return }
        isEnded = true
        isBroken = failure != nil || !outer.secure.isFinished
        tunnels.abandon(.lost)
        outer.abandonStreams()
        outputs.append(.ended(.outer, failure))
    }
}
