import Connection
internal import Multiserver
package import MuxRPC
package import NIOCore
package import SecretHandshake
internal import Testing
package import Tunnel
package import TypedSodium

/// A node at a portal, with everything that it was told, and local ends for its streams.
package final class NodePeer: WirePeer {
    /// What is done about a friend who wants a service.
    package enum ServiceAnswer {
        case connect
        case refuse(String)
        case nothing
    }

    package let identity: Identity
    package let node: NodeConnection
    private let now: () -> NIODeadline
    package var answer = ServiceAnswer.connect
    /// What happens to local ends of services.
    package var prepare: (LocalEnd) -> Void = { _ in }

    /// What is done when a session stands.
    package var whenEstablished: (SessionID) throws -> Void = { _ in }

    package private(set) var ends: [StreamKey: LocalEnd] = [:]
    package private(set) var asked: [(key: StreamKey, name: String, friend: PublicKey)] = []
    package private(set) var established: [SessionID: PublicKey] = [:]
    package private(set) var ended: [SessionID: SessionFailure?] = [:]
    package private(set) var replies: [CallID: Reply] = [:]
    package private(set) var items: [ByteBuffer] = []
    package private(set) var itemEnds: [RemoteError?] = []
    package private(set) var announcedCount = 0
    /// How often another way should have been looked for, and how often the portal asked for that.
    package private(set) var silenceCount = 0
    package private(set) var moveCount = 0
    package private(set) var announcementEnds: [RemoteError] = []
    package private(set) var tokenAnswers: [RemoteError?] = []
    package private(set) var questions: [Question] = []
    package private(set) var events: [NodeEvent] = []
    package private(set) var wrongProofs: [HandshakeCauser] = []

    package convenience init(_ identity: Identity, policy: EndpointPolicy? = nil, in world: PortalWorld)
        throws
    {
        let reception = policy.map { NodeConnection.Reception.open($0) }
        try self.init(
            identity, reception: reception ?? .none, to: world.portalKey, network: world.network
        ) {
            [unowned world] in world.now
        }
    }

    package init(
        _ identity: Identity, reception: NodeConnection.Reception, to remote: PublicKey,
        network: NetworkIdentifier,
        now: @escaping () -> NIODeadline
    ) throws {
        self.identity = identity
        self.now = now
        let configuration = NodeConnection.Configuration(
            identity: identity, network: network, reception: reception,
            wallClock: { 1_795_000_000_001 })
        node = try NodeConnection(to: remote, showing: identity, configuration: configuration, at: now())
    }

    package var key: PublicKey { identity.publicKey }

    /// The sessions inside tunnels that stand.
    package var inner: [SessionID] { established.keys.filter { $0 != .outer && ended[$0] == nil } }

    // MARK: The wire

    package func nextOutbound() -> ByteBuffer? {
        perform()
        defer { perform() }
        return node.phase == .broken ? nil : node.nextWrite(at: now())
    }

    package func receive(_ bytes: ByteBuffer) {
        node.receive(bytes, at: now())
        perform()
    }

    package func inputEnded() {
        node.inputEnded(at: now())
        perform()
    }

    package var wantsInput: Bool { node.wantsInput }

    package var hangsUp: Bool {
        node.phase != .running && (node.phase == .broken || node.outboundByteCount == 0)
    }

    package var deadline: NIODeadline? { node.deadline }

    package func timeReached() {
        guard let deadline = node.deadline, deadline <= now() else { return }
        node.timeReached(now())
        perform()
    }

    // MARK: What the owner does

    /// Opens a tunnel and a session in it.
    package func openTunnel(to target: PublicKey) throws -> SessionID {
        try node.openTunnel(to: target, at: now())
    }

    package func call(_ name: String, on session: SessionID) throws -> CallID {
        try node.call(name.split(separator: ".").map(String.init), [], on: session)
    }

    package func open(_ service: ServiceRequest, on session: SessionID) throws -> LocalEnd {
        let end = LocalEnd(try node.openService(service, on: session))
        ends[end.key] = end
        return end
    }

    package func connect(_ key: StreamKey) {
        let end = LocalEnd(key)
        prepare(end)
        ends[key] = end
        node.serviceConnected(key)
    }

    private func perform() {
        var (hasMoved, roundCount) = (true, 0)
        while hasMoved {
            hasMoved = false
            while let output = node.nextOutput() {
                perform(output)
                hasMoved = true
            }
            for end in ends.values { end.pump(node) }
            // More than a round gives is fed in the next one, which is due at once.
            if let deadline = node.deadline, deadline <= now(), roundCount < 1_000 {
                roundCount += 1
                node.timeReached(now())
                hasMoved = true
            }
        }
    }

    private func perform(_ output: NodeOutput) {
        switch output {
        case .established(let session, let peer):
            established[session] = peer
            // What came in the same read may have ended it again.
            try? whenEstablished(session)
        case .ended(let session, let failure):
            #expect(ended.updateValue(failure, forKey: session) == nil, "a session ends once")
        case .reply(let call, let reply): replies[call] = reply
        case .item(_, _, let body): items.append(body)
        case .itemsEnded(_, let error): itemEnds.append(error)
        case .announced: announcedCount += 1
        case .announcementEnded(let error): announcementEnds.append(error)
        case .tokensAnnounced(_, let error): tokenAnswers.append(error)
        case .fellSilent: silenceCount += 1
        case .moveAsked: moveCount += 1
        case .asked(let question): questions.append(question)
        case .connectService(let key, let name, let friend, _):
            asked.append((key, name.description, friend))
            switch answer {
            case .connect: connect(key)
            case .refuse(let message): node.refuseService(key, message: message)
            case .nothing: break
            }
        case .service(let key, let event): ends[key]?.perform(event)
        case .prove(let work):
            work.look()
            node.proved(work, at: now())
        case .wrongProof(let causer): wrongProofs.append(causer)
        case .giveWay(let displaced): node.giveWay(displaced, at: now())
        case .event(let event): events.append(event)
        }
    }
}

extension PortalWorld {
    /// A node that is connected.
    package func connectNode(
        _ identity: Identity, policy: EndpointPolicy? = nil
    ) throws -> (NodePeer, Link) {
        let peer = try NodePeer(identity, policy: policy, in: self)
        let link = join(peer)
        link.unreadLimit = 256 << 10
        link.readByteCount = 64 << 10
        run()
        return (peer, link)
    }

    /// An endpoint that has announced itself.
    package func endpoint(
        services: [String] = ["ssh"], access: EndpointPolicy.Access = .anyone
    ) throws -> (NodePeer, Link) {
        let (peer, link) = try connectNode(
            .random(), policy: EndpointPolicy(services: services, access: access))
        peer.node.announce()
        run()
        #expect(peer.announcedCount == 1)
        return (peer, link)
    }

    /// A client with a session to an endpoint.
    package func client(of endpoint: PublicKey) throws -> (NodePeer, SessionID) {
        let (peer, _) = try connectNode(.random())
        let session = try peer.openTunnel(to: endpoint)
        run()
        #expect(peer.established[session] == endpoint)
        return (peer, session)
    }
}
