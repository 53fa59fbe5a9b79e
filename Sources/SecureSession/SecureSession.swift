internal import BoxStream
public import MuxRPC
public import NIOCore
public import SecretHandshake
public import TypedSodium

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
///
/// ### Invariants
/// - The keys of the handshake exist during the handshake, those of frames from its end on, and the key that we
///   seal with until our goodbye to the box stream: each phase holds what it needs and nothing else.
/// - A session that has failed holds no input, no output and no key, and its muxrpc sends nothing more.
/// - Behind our goodbye muxrpc puts nothing into the outbox; behind the box stream's nothing is sealed.
/// - Bytes leave in the order in which they were sealed.
public final class SecureSession {
    /// What the owner is told.
    public enum Event {
        /// A client has proved to own this key: answer with ``accept()`` or ``refuse()``.
        case client(PublicKey)
        /// A client's proof has come, which is to be looked at elsewhere: take it with ``takeProof()``.
        case proof
        /// The handshake is over, and this is the peer.
        case established(PublicKey)
        /// A whole binary packet of an open stream stands verified and not yet decrypted.
        ///
        /// Call one of the `openPacket` methods to say where it goes; otherwise the next call of ``next()`` drops it.
        case packet(StreamID, byteCount: Int)
        /// Everything else that muxrpc has to say.
        ///
        /// Indirect, because it is large and rare, and every packet's event would be as large.
        indirect case session(RPCEvent)
        /// The peer's box-stream goodbye: nothing follows, and nothing is lost.
        case ended
    }

    /// Where a client's proof is looked at.
    public enum Verification: Sendable {
        /// As it comes, by ``next()``.
        case atOnce
        /// By the owner, on any thread, while this session does nothing.
        case elsewhere
    }

    private var phase: SessionPhase
    private var arrived = InboundBuffer()
    private var outbound = OutboundQueue()
    private let framing: Framing

    /// The muxrpc machine; what its calls put into the outbox leaves with ``nextOutbound()``.
    public var muxrpc: RPCConnection

    /// How much memory a packet may take that has not come whole, in bytes; the session fails when it takes more.
    ///
    /// To be set before ``next()``, by an owner that knows how much the peer may make it hold.
    public var inboundAllowance = Int.max

    /// Whether keystream that was made ahead stays when no frame is at hand, until the owner calls ``rest()``.
    package var keepsKeystream = false

    /// Whether keystream is held that was made ahead.
    package var holdsKeystream: Bool {
        phase.receiver?.frames.holdsKeystream == true || phase.sender?.frames.holdsKeystream == true
    }

    private init(_ handshake: consuming SessionHandshake, manifest: Manifest, framing: Framing) {
        phase = .handshake(handshake)
        self.framing = framing
        muxrpc = RPCConnection(manifest: manifest)
    }

    /// The client's side, which has to know whom it dials.
    ///
    /// - Throws: ``SecureSessionError/handshake(_:)`` for a server key that cannot be anybody's.
    public convenience init(
        dialling server: PublicKey, as identity: Identity, network: NetworkIdentifier,
        manifest: Manifest, framing: Framing = .direct
    ) throws(SecureSessionError) {
        let client: ClientHandshake
        do {
            client = try ClientHandshake(
                network: network, identity: identity, server: server, ephemeral: .random())
        } catch {
            throw .handshake(error)
        }
        let hello = framing.layOut(client.hello)
        self.init(SessionHandshake(client), manifest: manifest, framing: framing)
        outbound.append(hello)
    }

    /// The server's side.
    public convenience init(
        answeringAs identity: Identity, network: NetworkIdentifier,
        manifest: Manifest, framing: Framing = .direct, verification: Verification = .atOnce
    ) {
        let server = ServerHandshake(network: network, identity: identity) { EphemeralKeyPair.random() }
        self.init(
            SessionHandshake(server, verification: verification), manifest: manifest, framing: framing)
    }

    // MARK: State

    /// Who the peer has proved to be, once the handshake is over.
    public var peer: PublicKey? { phase.peer }

    /// Whether muxrpc may be spoken: the handshake is over and no goodbye was said.
    public var isOpen: Bool { phase.openSender != nil }

    /// Whether nothing more will be sent once ``nextOutbound()`` has returned `nil`.
    public var isFinished: Bool { phase.isFinished }

    /// Whether an announced client waits for ``accept()`` or ``refuse()``.
    ///
    /// No honest client sends anything meanwhile, so the owner need not read it.
    public var isAwaitingDecision: Bool { phase.isAwaitingDecision }

    /// Whether a whole message of the handshake is here, which ``next()`` will answer; that takes several key agreements.
    package var hasHandshakeMessage: Bool { phase.expectedByteCount.map { arrived.byteCount >= $0 } ?? false }

    /// How many messages of the handshake the peer has sent; `nil` once it is over.
    ///
    /// A server has two of them with the client's proof.
    package var handshakeMessageCount: Int? { phase.handshakeMessageCount }

    /// Whether a frame, or a message of the handshake, has begun to arrive, and not arrived whole.
    package var isWithinFrame: Bool { arrived.byteCount > 0 || phase.receiver?.frames.isAwaitingBody == true }

    /// What arrived and was not taken by ``next()`` yet, in bytes; less than a frame's where that wants more.
    public var inboundByteCount: Int { arrived.byteCount }

    /// What waits to be sent, in bytes.
    public var outboundByteCount: Int { outbound.byteCount + muxrpc.outboxByteCount }

    /// What the session is charged with, in bytes of memory, buffers with their capacity: frames and packets that have not
    /// come whole, what was not taken by ``next()`` yet, and what waits to be sent.
    public var heldByteCount: Int { arrivedByteCount + outbound.capacity + muxrpc.outboxCapacity }

    /// The part of ``heldByteCount`` that has arrived: what was not taken by ``next()``, and what has not come whole.
    package var arrivedByteCount: Int { arrived.capacity + (phase.receiver?.frames.capacity ?? 0) }

    /// The part of ``heldByteCount`` that has not come whole: of a frame or a packet more is to come.
    package var pendingByteCount: Int { arrived.partialCapacity + (phase.receiver?.frames.capacity ?? 0) }

    // MARK: Inbound

    /// Takes over bytes that arrived.
    public func receive(_ bytes: ByteBuffer) {
        if !phase.hasFailed { arrived.append(bytes) }
    }

    /// Takes note that nothing more will arrive; call ``next()`` until `nil` first, or the rest is lost.
    ///
    /// - Throws: ``SecureSessionError/refused(answered:)`` during the handshake,
    ///   ``SecureSessionError/boxStream(_:)`` with `.truncated` when the goodbye is missing.
    public func inputEnded() throws(SecureSessionError) {
        if let handshakeMessageCount { throw fail(.refused(answered: handshakeMessageCount > 0)) }
        do {
            try phase.receiver?.frames.finish()
        } catch {
            throw fail(.boxStream(error))
        }
    }

    /// The next thing that happened; `nil` where more bytes, a decision, or a greater limit of calls have to come first.
    ///
    /// - Throws: any ``SecureSessionError``; the session has failed then.
    public func next() throws(SecureSessionError) -> Event? {
        defer { assertInvariants() }
        while let expected = phase.expectedByteCount {
            guard let message = arrived.take(expected) else { return nil }
            if let event = try advanceHandshake(with: message) { return event }
        }
        guard let receiver = phase.receiver else { return nil }
        do {
            while !muxrpc.isAtPeerCallLimit,
                let input = try receiver.frames.next(from: &arrived, for: muxrpc, allowance: inboundAllowance)
            {
                if let event = interpret(input) { return event }
            }
        } catch {
            throw fail(error)
        }
        receiver.frames.rest(keepingKeystream: keepsKeystream)
        return nil
    }

    /// Opens the packet just announced behind headroom in a batch, header included, ready to be sealed again.
    ///
    /// Adds nothing where none was announced.
    public func openPacket(into batch: inout PacketBatch) {
        _ = phase.receiver?.frames.openPackets(from: &arrived, into: &batch, within: nil)
    }

    /// Opens the packet just announced in the same way, and behind it those of its stream that have come whole, one to a
    /// box, as far as the batch has memory and the limit allows; how many it were, which no event announces any more.
    package func openPackets(into batch: inout PacketBatch, within limit: PacketBatch.Limit) -> Int {
        phase.receiver?.frames.openPackets(from: &arrived, into: &batch, within: limit) ?? 0
    }

    /// Opens the packet just announced and appends its body, without the header.
    ///
    /// Adds nothing where none was announced.
    public func openPacket(into buffer: inout ByteBuffer) {
        phase.receiver?.frames.openPacket(from: &arrived, into: &buffer)
    }

    private func interpret(_ input: InboundFrames.Input) -> Event? {
        switch input {
        case .packet(let stream, let byteCount):
            return .packet(stream, byteCount: byteCount)
        case .item(let item):
            guard let event = muxrpc.receive(item) else { return nil }
            if case .goodbye = event { finish() }
            return .session(event)
        case .goodbye:
            finish()
            return .ended
        }
    }

    // MARK: Handshake

    /// Answers a message, or tells what it brought.
    private func advanceHandshake(with message: [UInt8]) throws(SecureSessionError) -> Event? {
        do throws(HandshakeError) {
            guard let handshake = phase.takeHandshake() else { throw HandshakeError.outOfTurn }
            switch try handshake.receive(message) {
            case .send(let answer, let next):
                outbound.append(framing.layOut(answer))
                phase = .handshake(next)
                return nil
            case .prove(let proof, let server):
                phase = .proofCame(proof, server)
                return .proof
            case .decide(let client, let server):
                phase = .awaitingDecision(server)
                return .client(client)
            case .establish(let keys):
                let server = keys.peer
                phase = .open(Established(keys, framing: framing))
                return .established(server)
            }
        } catch {
            throw fail(.handshake(error))
        }
    }

    /// Lets the announced client in.
    ///
    /// - Throws: ``SecureSessionError/handshake(_:)`` when no client was announced.
    public func accept() throws(SecureSessionError) {
        defer { assertInvariants() }
        do throws(HandshakeError) {
            guard var server = phase.takeAwaitingDecision() else { throw HandshakeError.outOfTurn }
            let acceptance = try server.accept()
            outbound.append(framing.layOut(acceptance.message))
            phase = .open(Established(acceptance.keys, framing: framing))
        } catch {
            throw fail(.handshake(error))
        }
    }

    /// Turns the announced client away: nothing is written.
    ///
    /// Does nothing once the handshake is over.
    public func refuse() {
        if handshakeMessageCount != nil { forget() }
    }

    /// The proof that ``Event/proof`` has announced; once.
    public func takeProof() -> ClientProof? { phase.takeProof() }

    /// Goes on with the client whose proof was taken and looked at, and asks for a decision about it.
    ///
    /// Where it was no proof, ``refuse()`` is all that is left.
    /// - Throws: ``SecureSessionError/handshake(_:)`` when no proof was given out.
    public func resume(with proved: consuming ProvedClient) throws(SecureSessionError) {
        do throws(HandshakeError) {
            guard var server = phase.takeAwaitingVerdict() else { throw HandshakeError.outOfTurn }
            try server.resume(with: proved)
            phase = .awaitingDecision(server)
        } catch {
            throw fail(.handshake(error))
        }
    }

    // MARK: Outbound

    /// What to send next, sealed; `nil` when there is nothing.
    public func nextOutbound() -> ByteBuffer? {
        sealOutbox()
        guard let buffer = outbound.next() else {
            phase.sender?.frames.rest(keepingKeystream: keepsKeystream)
            return nil
        }
        return buffer
    }

    /// Gives back keystream that was made ahead: the connection is idle.
    package func rest() {
        phase.receiver?.frames.rest(keepingKeystream: false)
        phase.sender?.frames.rest(keepingKeystream: false)
    }

    /// What a tunnelled session sends next, laid out for the outer one; `nil` when there is nothing.
    public func nextBatch() -> PacketBatch? { nextOutbound().map(PacketBatch.init) }

    /// Sends bytes on an open stream, cut into binary packets that fit one box each; empty ones send nothing.
    ///
    /// Does nothing where the stream has ended: a packet behind an end, or for a number that was never open,
    /// would end a Go session.
    public func send(_ bytes: ByteBuffer, on stream: StreamID) {
        guard let sender = phase.openSender, bytes.readableBytes > 0, muxrpc.isOpen(stream) else { return }
        sealOutbox()
        outbound.append(sender.frames.seal(bytes, on: stream))
    }

    /// Sends a batch on an open stream, sealed where it stands; does nothing where the stream has ended.
    ///
    /// A tunnelled session copies it, because it has to leave holes for the outer one.
    public func send(_ batch: consuming PacketBatch, on stream: StreamID) {
        guard let sender = phase.openSender, !batch.isEmpty, muxrpc.isOpen(stream) else { return }
        sealOutbox()
        outbound.append(sender.frames.seal(batch, on: stream))
    }

    /// Answers an async call of the peer with JSON that carries a secret, of which no plaintext is left in memory here.
    ///
    /// - Throws: `MuxRPCError`, and nothing is sent.
    public func reply(to call: RequestNumber, withSecret json: Span<UInt8>) throws(MuxRPCError) {
        guard let sender = phase.openSender else { throw .closed }
        let header = try muxrpc.beginReply(to: call, bodyByteCount: json.count)
        sealOutbox()
        outbound.append(sender.frames.seal(header, secret: json))
    }

    private func sealOutbox() {
        guard muxrpc.outboxByteCount > 0, let sender = phase.sender, let packets = muxrpc.takeOutbox() else {
            return
        }
        outbound.append(sender.frames.seal(packets: packets))
    }

    // MARK: The end

    /// Says goodbye, and waits for the peer's before the box stream is ended.
    public func close() {
        refuse()
        guard isOpen else { return }
        muxrpc.sayGoodbye()
        sealOutbox()
        if let established = phase.takeOpen() { phase = .closing(established) }
        assertInvariants()
    }

    /// Ends our side of the box stream without waiting for the peer's goodbye any longer.
    public func finish() {
        close()
        guard let established = phase.takeClosing() else { return }
        outbound.append(established.sender.frames.goodbye())
        phase = .finished(established.receiver)
        assertInvariants()
    }

    private func fail(_ error: SecureSessionError) -> SecureSessionError {
        forget()
        return error
    }

    /// Ends the session for good, and forgets its keys and whatever waits.
    private func forget() {
        phase.fail()
        arrived.discard()
        outbound.discard()
        // Closes the outbox, so that what the owner still answers does not pile up there.
        muxrpc.sayGoodbye()
        _ = muxrpc.takeOutbox()
        assertInvariants()
    }

    /// Traps in debug builds where what the head of this type promises does not hold.
    private func assertInvariants() {
        outbound.assertInvariants()
        assert(
            !phase.hasFailed || arrived.byteCount == 0 && outbound.byteCount == 0,
            "a failed session holds nothing")
        assert(
            phase.openSender != nil || phase.handshakeMessageCount != nil
                || muxrpc.isClosed && muxrpc.outboxByteCount == 0,
            "nothing of muxrpc follows our goodbye")
    }
}
