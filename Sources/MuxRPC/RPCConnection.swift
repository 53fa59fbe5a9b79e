public import NIOCore

/// One muxrpc connection, both directions: packets in, events out, what to send in an outbox.
///
/// It reads no socket and no clock. No bytes of a peer make it throw or trap: what is wrong with one call or
/// stream is answered there, the rest is dropped, and the session stays. What it sends keeps JavaScript and Go
/// sessions alive: no empty body, no `"type":"sync"`, no end for a number that was never open, no number twice.
///
/// A stream is closed both ways by the first end from either side: JavaScript has no half-close, so whatever must
/// still be said goes in front of the end.
///
/// Sources: ssbc/packet-stream index.js and substream.js, ssbc/muxrpc pull-weird.js, permissions.js and
/// local-api.js, ssbc/go-muxrpc rpc_server.go.
public struct RPCConnection: ~Copyable, Sendable {
    private let limits: Limits
    private var ours: OwnCalls
    private var theirs: PeerCalls
    private var outbox = Outbox()
    private var hasEnded = false
    /// Streams that we have ended, where the owner wants to know when the peer has.
    private var awaitedEnds: Set<StreamID> = []
    /// How many bytes were put into the outbox so far to answer what the peer has sent: replies, errors and ends.
    ///
    /// What is sent on streams does not count.
    package private(set) var answeredByteCount = 0

    /// A session at its start.
    public init(manifest: Manifest, limits: Limits = .default) {
        self.init(manifest: manifest, limits: limits, firstNumber: 1)
    }

    /// A session that has used the numbers below `firstNumber`: nobody can wait for a test to use them up.
    package init(manifest: Manifest, limits: Limits = .default, firstNumber: Int32) {
        self.limits = limits
        ours = OwnCalls(limits: limits, firstNumber: firstNumber)
        theirs = PeerCalls(manifest: manifest, limits: limits)
    }

    /// What the peer may call; a change holds for the calls that come later.
    public var manifest: Manifest {
        get { theirs.manifest }
        set { theirs.manifest = newValue }
    }

    // MARK: The peer's packets

    /// Takes the next packet; `nil` when it was answered here or legally dropped.
    public mutating func receive(_ item: PacketReader.Item) -> RPCEvent? {
        guard !hasEnded else { return nil }
        switch item {
        case .goodbye:
            hasEnded = true
            return .goodbye
        case .packet(let header, let body): return receive(header, body: body)
        case .oversized(let header): return receive(header, body: nil)
        }
    }

    private mutating func receive(_ header: PacketHeader, body: ByteBuffer?) -> RPCEvent? {
        let waiting = outboxByteCount
        defer { answeredByteCount += outboxByteCount - waiting }
        if !awaitedEnds.isEmpty, header.isStream, header.isEnd,
            let stream = StreamID(receivedNumber: header.requestNumber)
        {
            awaitedEnds.remove(stream)
        }
        // Number 0 is an "event" in JavaScript, which nobody uses.
        if header.requestNumber > 0 { return theirs.receive(header, body: body, outbox: &outbox) }
        if header.requestNumber < 0 { return ours.receive(header, body: body, outbox: &outbox) }
        return nil
    }

    /// How long the body of a packet may be, of whose beginning nothing is known yet, or this: what the peer's manifest
    /// says of a call, as much as ``Limits`` say of an answer that is awaited, and little of what nobody waits for.
    ///
    /// For the reader: ``PacketReader/next(from:limit:)``.
    public func bodyLimit(for header: PacketHeader, beginning: ByteBuffer?) -> PacketReader.BodyLimit {
        let limit = limits.bodyByteCount(for: header)
        let number = header.requestNumber
        guard let least = theirs.manifest.anyBodyByteCount, header.bodyType == .json || !header.isStream
        else {
            return .bytes(limit)
        }
        if number < 0 { return .bytes(ours.isOpen(answeredBy: number) ? limit : min(limit, least)) }
        if header.isStream, theirs.isOpen(number) { return .bytes(min(limit, limits.streamBodyByteCount)) }
        guard Int(header.bodyByteCount) > least, number > 0 else { return .bytes(min(limit, least)) }
        guard let beginning else { return .dependsOnBeginning }
        let name = Call.name(in: beginning)
        return .bytes(min(limit, theirs.manifest.bodyByteCount(ofCall: name) ?? limit))
    }

    /// Tells the session that nothing will come any more; everything open fails, in ascending order of numbers.
    public mutating func transportEnded() -> [RPCEvent] {
        hasEnded = true
        return ours.abandon() + theirs.abandon()
    }

    // MARK: Our calls

    /// Calls an async or sync method; the answer is a ``RPCEvent/reply(_:_:)``.
    ///
    /// - Throws: ``MuxRPCError``, and nothing is sent.
    public mutating func call(
        _ name: [String], _ arguments: [JSONValue]
    ) throws(MuxRPCError) -> RequestNumber {
        RequestNumber(try begin(.async, name, arguments))
    }

    /// Opens a source, sink or duplex; packets may follow at once.
    ///
    /// - Throws: ``MuxRPCError``, and nothing is sent.
    public mutating func open(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue]
    ) throws(MuxRPCError) -> StreamID {
        precondition(kind.isStream, "an async method is called, not opened")
        return StreamID(sentNumber: try begin(kind, name, arguments))
    }

    private mutating func begin(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue]
    ) throws(MuxRPCError) -> Int32 {
        guard !outbox.isClosed, !hasEnded else { throw .closed }
        try requireRoom()
        return try ours.begin(kind, name, arguments, outbox: &outbox)
    }

    // MARK: Our answers

    /// Answers an async call of the peer.
    ///
    /// - Throws: ``MuxRPCError/notOpen(_:)`` or ``MuxRPCError/bodyTooLong(_:limit:)``, and nothing is sent.
    public mutating func reply(to call: RequestNumber, with value: JSONValue) throws(MuxRPCError) {
        guard theirs.isOpen(call), !outbox.isClosed else { throw .notOpen(call.value) }
        let waiting = outboxByteCount
        try outbox.write(value, number: -call.value, limit: limits.jsonBodyByteCount)
        answeredByteCount += outboxByteCount - waiting
        theirs.close(call.value)
    }

    /// Answers an async call of the peer for owners that write the header and the JSON behind it themselves: what
    /// passes through the outbox leaves copies in memory, which a secret must not.
    ///
    /// They take the outbox first, and send at least one byte of JSON.
    /// - Throws: ``MuxRPCError/notOpen(_:)`` or ``MuxRPCError/bodyTooLong(_:limit:)``, and nothing is to be sent.
    package mutating func beginReply(
        to call: RequestNumber, bodyByteCount: Int
    ) throws(MuxRPCError) -> PacketHeader {
        precondition(bodyByteCount > 0, "JSON has at least one byte")
        guard theirs.isOpen(call), !outbox.isClosed else { throw .notOpen(call.value) }
        let limit = limits.jsonBodyByteCount
        guard bodyByteCount <= limit else { throw .bodyTooLong(bodyByteCount, limit: limit) }
        theirs.close(call.value)
        answeredByteCount += PacketHeader.byteCount + bodyByteCount
        return PacketHeader(
            bodyType: .json, bodyByteCount: UInt32(bodyByteCount), requestNumber: -call.value)
    }

    /// Answers an async call of the peer with an error; does nothing where it is answered already.
    public mutating func fail(_ call: RequestNumber, message: String) {
        guard theirs.isOpen(call) else { return }
        let waiting = outboxByteCount
        outbox.writeError(message, number: -call.value, isStream: false)
        answeredByteCount += outboxByteCount - waiting
        theirs.close(call.value)
    }

    /// Sends an error for an async call of the peer that was answered before, which only a Companionway peer
    /// understands: JavaScript and Go drop it.
    package mutating func failAnswered(_ call: RequestNumber, message: String) {
        guard theirs.wasSeen(call.value), !theirs.isOpen(call) else { return }
        outbox.writeError(message, number: -call.value, isStream: false)
    }

    // MARK: Streams

    /// Whether neither side has ended the stream.
    public func isOpen(_ stream: StreamID) -> Bool { kind(of: stream) != nil }

    /// The kind of an open stream.
    public func kind(of stream: StreamID) -> CallKind? {
        stream.isOurs ? ours.kind(of: stream) : theirs.kind(of: stream)
    }

    /// Whether the peer may send on a stream: it is open, of a kind that leads our way, and no goodbye was said.
    package func mayBring(packetsOn stream: StreamID) -> Bool {
        guard !hasEnded else { return false }
        switch kind(of: stream) {
        case .duplex?: return true
        case .source?: return stream.isOurs
        case .sink?: return !stream.isOurs
        case .async?, nil: return false
        }
    }

    /// Sends a JSON value on a stream.
    ///
    /// - Throws: ``MuxRPCError/notOpen(_:)``, ``MuxRPCError/bodyTooLong(_:limit:)`` or
    ///   ``MuxRPCError/queueFull(limit:)``, and nothing is sent.
    public mutating func send(_ value: JSONValue, on stream: StreamID) throws(MuxRPCError) {
        try requireOpen(stream)
        try outbox.write(
            value, number: stream.sentNumber, isStream: true, limit: limits.jsonBodyByteCount)
    }

    /// Sends bytes on a stream, as one packet; no bytes are no packet.
    ///
    /// - Throws: ``MuxRPCError/notOpen(_:)``, ``MuxRPCError/bodyTooLong(_:limit:)`` or
    ///   ``MuxRPCError/queueFull(limit:)``, and nothing is sent.
    public mutating func send(_ bytes: ByteBuffer, on stream: StreamID) throws(MuxRPCError) {
        try requireOpen(stream)
        guard bytes.readableBytes <= limits.streamBodyByteCount else {
            throw .bodyTooLong(bytes.readableBytes, limit: limits.streamBodyByteCount)
        }
        outbox.write(bytes, header: header(forBinary: bytes.readableBytes, on: stream))
    }

    /// The header of a binary packet for owners that write header and body themselves, without a copy.
    ///
    /// They take the outbox first, ask ``isOpen(_:)``, and send between 1 byte and
    /// ``Limits/streamBodyByteCount``.
    package func header(forBinary count: Int, on stream: StreamID) -> PacketHeader {
        PacketHeader(
            bodyType: .binary, isStream: true, bodyByteCount: UInt32(clamping: count),
            requestNumber: stream.sentNumber)
    }

    /// Ends a stream both ways; does nothing where it has ended.
    ///
    /// What the peer still sends on it is dropped: we wait for no answer, because a JavaScript duplex often sends
    /// none.
    public mutating func end(_ stream: StreamID) {
        guard close(stream) else { return }
        outbox.writeEnd(stream)
    }

    /// Ends a stream both ways, and counts it among ``awaitedEndCount`` until the peer has ended it too.
    package mutating func endAwaitingAnswer(_ stream: StreamID) {
        guard isOpen(stream) else { return }
        end(stream)
        awaitedEnds.insert(stream)
    }

    /// How many streams there are of which an end was sent by ``endAwaitingAnswer(_:)`` and none has come back.
    package var awaitedEndCount: Int { awaitedEnds.count }

    /// Ends a stream both ways with an error; does nothing where it has ended.
    public mutating func fail(_ stream: StreamID, message: String) {
        guard close(stream) else { return }
        let waiting = outboxByteCount
        outbox.writeError(message, number: stream.sentNumber, isStream: true)
        if !stream.isOurs { answeredByteCount += outboxByteCount - waiting }
    }

    // MARK: The end, and what is to be sent

    /// How many calls and streams of either side are open; a graceful goodbye waits for 0.
    public var openRequestCount: Int { ours.openCount + theirs.openCount }

    /// How many calls and streams the peer has asked for so far, those included that were refused here.
    package var peerCallCount: Int { theirs.count }

    /// How many calls the peer may make in all; an owner that bounds what one read brings stops taking packets there.
    package var peerCallLimit = Int.max

    /// Whether the peer has made as many calls as it may.
    package var isAtPeerCallLimit: Bool { theirs.count >= peerCallLimit }

    /// Whether our goodbye is said.
    package var isClosed: Bool { outbox.isClosed }

    /// Says goodbye: nothing is sent any more, while the peer's packets are still taken until its own goodbye.
    public mutating func sayGoodbye() { outbox.close() }

    /// How many bytes wait; above ``Limits/outboxByteCount`` the owner should stop reading the peer.
    public var outboxByteCount: Int { outbox.bytes.readableBytes }

    /// The memory behind what waits, in bytes.
    package var outboxCapacity: Int { outbox.bytes.storageCapacity }

    /// Takes the packets that wait, in order, to be boxed.
    public mutating func takeOutbox() -> ByteBuffer? { outbox.take() }

    private func requireOpen(_ stream: StreamID) throws(MuxRPCError) {
        guard isOpen(stream), !outbox.isClosed else { throw .notOpen(stream.sentNumber) }
        try requireRoom()
    }

    /// Answers are not refused here: the owner reads the peer no further than they are sent.
    private func requireRoom() throws(MuxRPCError) {
        let limit = limits.connectionQueueByteCount
        guard outboxByteCount < limit else { throw .queueFull(limit: limit) }
    }

    private mutating func close(_ stream: StreamID) -> Bool {
        guard isOpen(stream) else { return false }
        if stream.isOurs { ours.close(stream) } else { theirs.close(stream.openerNumber) }
        return true
    }
}

/// What a session refuses to send; the peer's bytes cause none of these.
public enum MuxRPCError: Error, Equatable, Sendable {
    /// The call or stream has ended, was never opened, or the goodbye is said.
    case notOpen(Int32)
    /// A body longer than a peer may be asked to take, in bytes.
    case bodyTooLong(Int, limit: Int)
    /// As many calls and streams as allowed are open.
    case tooManyOpen(limit: Int)
    /// As many bytes as allowed wait to be sent; take the outbox first.
    case queueFull(limit: Int)
    /// All 2³¹ - 1 request numbers of this connection are used up.
    case outOfNumbers
    /// Either side has said goodbye, or the transport has ended: nothing can be called any more.
    case closed
}
