internal import BoxStream
public import MuxRPC
public import NIOCore
public import SecretHandshake
public import Sodium

/// A connection's three protocols in one machine: secret-handshake, then muxrpc in box-stream frames.
///
/// It serves an outer connection and, unchanged but for its ``Framing``, the inner one inside a tunnel. It knows
/// no socket and no clock. Give what arrives to ``receive(_:)`` and call ``next()`` until it returns `nil`; send
/// what ``nextOutbound()`` returns, in that order. A throw is final: send nothing more and end the connection.
///
/// What is open when the session ends or fails is told by the `transportEnded()` of ``muxrpc``. An owner bounds
/// what a peer can make it hold by not calling ``next()``, and not reading, while ``outboundByteCount`` is high.
///
/// A reference type, because a node holds many in one table; it stays on the thread that made it.
public final class SecureSession {
    private enum Phase {
        case handshake
        /// The proof was given out.
        case awaitingVerdict
        case awaitingDecision
        case open
        /// Our goodbye is said, the peer's is awaited.
        case closing
        /// Our side of the box stream is over; what the peer still sends is read up to its goodbye.
        case finished
        case failed
    }

    private var phase = Phase.handshake
    private var handshake: SessionHandshake?
    private let verification: Verification
    private var proof: ClientProof?
    /// How many messages of the handshake the peer has sent; a server has two of them with the client's proof.
    public private(set) var handshakeMessageCount = 0
    private var peerHasSaidGoodbye = false
    private var inbound: InboundFrames?
    private var arrived = InboundBuffer()
    private var outbound: OutboundFrames

    /// The muxrpc machine; what its calls put into the outbox leaves with ``nextOutbound()``.
    public var muxrpc: Session

    /// Who the peer has proved to be, once the handshake is over.
    public private(set) var peer: PublicKey?

    private init(manifest: Manifest, framing: Framing, verification: Verification = .atOnce) {
        self.verification = verification
        muxrpc = Session(manifest: manifest)
        outbound = OutboundFrames(framing: framing)
    }

    /// The client's side, which has to know whom it dials.
    ///
    /// - Throws: ``SecureSessionError/handshake(_:)`` for a server key that cannot be anybody's.
    public convenience init(
        dialling server: PublicKey, as identity: Identity, network: NetworkIdentifier,
        manifest: Manifest, framing: Framing = .direct
    ) throws(SecureSessionError) {
        self.init(manifest: manifest, framing: framing)
        do {
            handshake = SessionHandshake(
                try ClientHandshake(
                    network: network, identity: identity, server: server, ephemeral: .random()))
            if let hello = handshake?.hello { outbound.append(message: hello) }
        } catch {
            throw .handshake(error)
        }
    }

    /// The server's side.
    public convenience init(
        answeringAs identity: Identity, network: NetworkIdentifier,
        manifest: Manifest, framing: Framing = .direct, verification: Verification = .atOnce
    ) {
        self.init(manifest: manifest, framing: framing, verification: verification)
        handshake = SessionHandshake(
            ServerHandshake(network: network, identity: identity) { EphemeralKeyPair.random() })
    }

    // MARK: State

    /// Whether muxrpc may be spoken: the handshake is over and no goodbye was said.
    public var isOpen: Bool { phase == .open }

    /// Whether nothing more will be sent once ``nextOutbound()`` has returned `nil`.
    public var isFinished: Bool { phase == .finished || phase == .failed }

    /// Whether an announced client waits for ``accept()`` or ``refuse()``.
    ///
    /// No honest client sends anything meanwhile, so the owner need not read it.
    public var isAwaitingDecision: Bool { phase == .awaitingDecision }

    /// Whether a frame, or a message of the handshake, has begun to arrive, and not arrived whole.
    public var isWithinFrame: Bool { arrived.byteCount > 0 || inbound?.isAwaitingBody == true }

    /// Whether a whole message of the handshake is here, which ``next()`` will answer; that takes several key agreements.
    public var hasHandshakeMessage: Bool {
        guard phase == .handshake, let expected = handshake?.expectedByteCount else { return false }
        return arrived.byteCount >= expected
    }

    /// What arrived and was not taken by ``next()`` yet, in bytes; after a `nil` mostly less than one frame's.
    public var inboundByteCount: Int { arrived.byteCount }

    /// What waits to be sent, in bytes.
    public var outboundByteCount: Int { outbound.byteCount + muxrpc.outboxByteCount }

    /// What the session holds at this moment, in bytes of memory: frames and packets that have not come whole, what was
    /// not taken by ``next()`` yet, and what waits to be sent.
    ///
    /// What it is charged with: buffers count with their capacity, however little there is in them.
    public var heldByteCount: Int {
        arrived.capacity + (inbound?.capacity ?? 0) + outbound.capacity + muxrpc.outboxCapacity
    }

    /// The part of ``heldByteCount`` that has arrived: what was not taken by ``next()``, and what has not come whole.
    public var arrivedByteCount: Int { arrived.capacity + (inbound?.capacity ?? 0) }

    /// The part of ``heldByteCount`` that has not come whole: of a frame or a packet more is to come.
    public var pendingByteCount: Int { arrived.partialCapacity + (inbound?.capacity ?? 0) }

    /// How much memory a packet may take that has not come whole, in bytes; the session fails when it takes more.
    ///
    /// To be set before ``next()``, by whoever knows how much the peer may make us hold.
    public var inboundAllowance = Int.max {
        didSet { inbound?.allowance = inboundAllowance }
    }

    // MARK: Inbound

    /// Takes over bytes that arrived.
    public func receive(_ bytes: ByteBuffer) {
        if phase != .failed { arrived.append(bytes) }
    }

    /// Takes note that nothing more will arrive; call ``next()`` until `nil` first, or the rest is lost.
    ///
    /// - Throws: ``SecureSessionError/refused(answered:)`` during the handshake,
    ///   ``SecureSessionError/boxStream(_:)`` with `.truncated` when the goodbye is missing.
    public func inputEnded() throws(SecureSessionError) {
        switch phase {
        case .failed:
            return
        case .handshake, .awaitingVerdict, .awaitingDecision:
            throw fail(.refused(answered: handshakeMessageCount > 0))
        case .open, .closing, .finished:
            do {
                try inbound?.finish()
            } catch {
                throw fail(.boxStream(error))
            }
        }
    }

    /// The next thing that happened, or `nil` when more bytes, or a decision, have to come first.
    ///
    /// - Throws: any ``SecureSessionError``; the session has failed then.
    public func next() throws(SecureSessionError) -> Event? {
        while true {
            switch phase {
            case .handshake:
                guard let step = try advanceHandshake() else { return nil }
                if case .tell(let event) = step { return event }
            case .open, .closing, .finished:
                guard let input = try nextInput() else { return nil }
                if let event = interpret(input) { return event }
            case .awaitingVerdict, .awaitingDecision, .failed:
                return nil
            }
        }
    }

    /// Opens the packet just announced behind headroom in a batch, header included, ready to be sealed again.
    public func openPacket(into batch: inout PacketBatch) {
        inbound?.openPacket(from: &arrived, into: &batch)
    }

    /// Opens the packet just announced and appends its body, without the header.
    public func openPacket(into buffer: inout ByteBuffer) {
        inbound?.openPacket(from: &arrived, into: &buffer)
    }

    private func nextInput() throws(SecureSessionError) -> InboundFrames.Input? {
        guard !muxrpc.isAtPeerCallLimit else { return nil }
        do {
            return try inbound?.next(from: &arrived) { stream in
                mayBring(packetsOn: stream)
            } limit: { header, beginning in
                muxrpc.bodyLimit(for: header, beginning: beginning)
            }
        } catch {
            throw fail(error)
        }
    }

    /// Whether the peer may send on a stream: it is open, of a kind that leads our way, and no goodbye was said.
    private func mayBring(packetsOn stream: StreamID) -> Bool {
        guard !peerHasSaidGoodbye else { return false }
        switch muxrpc.kind(of: stream) {
        case .duplex?: return true
        case .source?: return stream.isOurs
        case .sink?: return !stream.isOurs
        case .async?, nil: return false
        }
    }

    private func interpret(_ input: InboundFrames.Input) -> Event? {
        switch input {
        case .packet(let stream, let byteCount):
            return .packet(stream, byteCount: byteCount)
        case .item(let item):
            guard let event = muxrpc.receive(item) else { return nil }
            if case .goodbye = event {
                peerHasSaidGoodbye = true
                finish()
            }
            return .session(event)
        case .goodbye:
            finish()
            return .ended
        }
    }

    // MARK: Handshake

    private enum HandshakeStep {
        case goOn
        case tell(Event)
    }

    /// Lets the announced client in.
    ///
    /// - Throws: ``SecureSessionError/handshake(_:)`` when no client was announced.
    public func accept() throws(SecureSessionError) {
        do throws(HandshakeError) {
            guard let acceptance = try handshake?.accept() else { throw HandshakeError.outOfTurn }
            outbound.append(message: acceptance.message)
            open(acceptance.keys)
        } catch {
            throw fail(.handshake(error))
        }
    }

    /// Turns the announced client away: nothing is written.
    ///
    /// Does nothing once the handshake is over.
    public func refuse() {
        guard phase == .handshake || phase == .awaitingVerdict || phase == .awaitingDecision else { return }
        forget()
    }

    /// The proof that ``Event/proof`` has announced; once.
    public func takeProof() -> ClientProof? {
        var taken: ClientProof?
        swap(&taken, &proof)
        return taken
    }

    /// Goes on with the client whose proof was taken and looked at, and asks for a decision about it.
    ///
    /// Where it was no proof, ``refuse()`` is all that is left.
    /// - Throws: ``SecureSessionError/handshake(_:)`` when no proof was given out.
    public func resume(with proved: consuming ProvedClient) throws(SecureSessionError) {
        do throws(HandshakeError) {
            guard handshake != nil else { throw HandshakeError.outOfTurn }
            try handshake?.resume(with: proved)
            phase = .awaitingDecision
        } catch {
            throw fail(.handshake(error))
        }
    }

    private func advanceHandshake() throws(SecureSessionError) -> HandshakeStep? {
        guard let expected = handshake?.expectedByteCount, let message = arrived.take(expected) else {
            return nil
        }
        handshakeMessageCount += 1
        do throws(HandshakeError) {
            if verification == .elsewhere, handshake?.awaitsProof == true {
                proof = try handshake?.take(proof: message)
                phase = .awaitingVerdict
                return .tell(.proof)
            }
            switch try handshake?.receive(message) {
            case .send(let answer):
                outbound.append(message: answer)
                return .goOn
            case .decide(let client):
                phase = .awaitingDecision
                return .tell(.client(client))
            case .establish(let keys):
                let server = keys.peer
                open(keys)
                return .tell(.established(server))
            case nil:
                throw .alreadyFinished
            }
        } catch {
            throw fail(.handshake(error))
        }
    }

    private func open(_ keys: consuming SessionKeys) {
        peer = keys.peer
        handshake = nil
        keys.take { encryptKey, encryptNonce, decryptKey, decryptNonce in
            outbound.start(Sealer(key: encryptKey, nonce: encryptNonce))
            inbound = InboundFrames(Opener(key: decryptKey, nonce: decryptNonce))
            inbound?.allowance = inboundAllowance
        }
        phase = .open
    }

    // MARK: Outbound

    /// What to send next, sealed; `nil` when there is nothing.
    public func nextOutbound() -> ByteBuffer? {
        sealOutbox()
        return outbound.next()
    }

    /// What a tunnelled session sends next, laid out for the outer one; `nil` when there is nothing.
    public func nextBatch() -> PacketBatch? { nextOutbound().map(PacketBatch.init) }

    /// Sends bytes on an open stream, cut into binary packets that fit one box each; empty ones send nothing.
    ///
    /// Does nothing where the stream has ended: a packet behind an end, or for a number that was never open,
    /// would end a Go session.
    public func send(_ bytes: ByteBuffer, on stream: StreamID) {
        guard phase == .open, bytes.readableBytes > 0, muxrpc.isOpen(stream) else { return }
        sealOutbox()
        outbound.append(bytes, on: stream)
    }

    /// Sends a batch on an open stream, sealed where it stands; does nothing where the stream has ended.
    ///
    /// A tunnelled session copies it, because it has to leave holes for the outer one.
    public func send(_ batch: consuming PacketBatch, on stream: StreamID) {
        guard phase == .open, !batch.isEmpty, muxrpc.isOpen(stream) else { return }
        sealOutbox()
        outbound.append(batch, on: stream)
    }

    /// Answers an async call of the peer with JSON that carries a secret, of which no plaintext is left in memory here.
    ///
    /// - Throws: `MuxRPCError`, and nothing is sent.
    public func reply(to call: RequestNumber, withSecret json: Span<UInt8>) throws(MuxRPCError) {
        guard phase == .open else { throw .closed }
        let header = try muxrpc.beginReply(to: call, bodyByteCount: json.count)
        sealOutbox()
        outbound.append(header, secret: json)
    }

    /// Says goodbye, and waits for the peer's before the box stream is ended.
    public func close() {
        switch phase {
        case .open:
            muxrpc.sayGoodbye()
            sealOutbox()
            phase = .closing
        case .handshake, .awaitingVerdict, .awaitingDecision:
            forget()
        case .closing, .finished, .failed:
            return
        }
    }

    /// Ends our side of the box stream without waiting for the peer's goodbye any longer.
    public func finish() {
        close()
        guard phase == .closing else { return }
        outbound.finish()
        phase = .finished
    }

    private func sealOutbox() {
        guard phase == .open || phase == .closing, let packets = muxrpc.takeOutbox() else { return }
        outbound.append(packets: packets)
    }

    private func fail(_ error: SecureSessionError) -> SecureSessionError {
        forget()
        return error
    }

    /// Ends the session for good, and forgets its keys and whatever waits.
    private func forget() {
        phase = .failed
        handshake = nil
        proof = nil
        inbound = nil
        arrived.discard()
        outbound.discard()
        // Closes the outbox, so that what the owner still answers does not pile up there.
        muxrpc.sayGoodbye()
        _ = muxrpc.takeOutbox()
    }
}
