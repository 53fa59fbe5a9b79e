internal import MuxRPC
internal import NIOCore

/// One byte stream with credit and half-close, between the other side's `service.open` or `echo` and a local end.
///
/// Bytes go both ways in binary packets; see the protocol's section 6. The local end is a socket, a pair of pipes,
/// or, for an echo that we serve, the stream itself.
///
/// ### Invariants
/// - What came is in ``incoming``, or at the local end and not drained, or drained: `undrained` of ``received`` counts
///   the first two, and for an echo what is in ``unsent``.
/// - The local end has at most ``handedByteCount`` undrained, and what is not the end of all in few pieces: the rest is
///   put together in one buffer here, so that what is held costs at most twice its bytes.
final class ServiceStream {
    /// What stands at our end.
    enum LocalEnd {
        /// It is still being connected: what arrives waits, at most a window.
        case connecting
        /// It takes what arrives.
        case connected
        /// Everything received is sent back.
        case echo
    }

    /// A local end that has something undrained gets more when there is so much of it, in bytes.
    private static let pieceByteCount = 64 << 10
    /// And while it has less than so much undrained.
    private static let handedByteCount = 256 << 10

    let key: StreamKey
    /// Which side opened the stream, and so ends it once both have said all.
    let isOpener: Bool
    /// The name of the service of ours that it leads to, if it does.
    let name: String?
    /// What is paid for the stream, by whom it is for.
    let place: ServicePlace
    var localEnd: LocalEnd

    private(set) var credit = SendCredit()
    private(set) var received = ReceiveCredit()
    /// How much it sends, and how much of that it may have under way on a shared way.
    private(set) var sending = SendPace()

    /// Taken from the local end and not yet allowed to be sent: at most one read of it.
    private var unsent = CircularBuffer<ByteBuffer>()
    /// How much of it there is, in bytes.
    private(set) var unsentByteCount = 0
    private var unsentCapacity = 0
    /// Received and not yet handed to the local end.
    private var incoming = IncomingBytes()
    /// What the local end has and has not drained, and the memory behind it.
    private var handed = (byteCount: 0, capacity: 0)

    private var hasLocalEnd = false
    private(set) var hasSentEnd = false
    private(set) var hasReceivedEnd = false
    /// Whether the local end has been told so, behind the last bytes.
    var hasReportedEnd = false

    /// Payload sent and received, in bytes.
    private(set) var sentByteCount = 0
    private(set) var receivedByteCount = 0

    init(key: StreamKey, isOpener: Bool, localEnd: LocalEnd, name: String? = nil, place: ServicePlace) {
        self.key = key
        self.isOpener = isOpener
        self.name = name
        self.place = place
        self.localEnd = localEnd
    }

    /// Whether both sides have said all that they had to say.
    var isComplete: Bool { hasSentEnd && hasReceivedEnd }

    func assertInvariant() {
        let waiting = incoming.byteCount + handed.byteCount + (localEnd == .echo ? unsentByteCount : 0)
        assert(received.undrained == waiting, "what came is here, or at the local end, or drained")
    }

    // MARK: What it costs

    /// What the stream holds, in bytes of memory.
    var heldByteCount: Int {
        ServicePlace.ownByteCount + incoming.capacity + handed.capacity + unsentCapacity
    }

    /// What the local end still has when the stream is over, in bytes of memory.
    var leftByteCount: Int { ServicePlace.ownByteCount + handed.capacity }

    /// What it will hold once so many bytes more are received.
    func heldByteCount(with byteCount: Int) -> Int {
        heldByteCount - incoming.capacity + incoming.capacity(with: byteCount)
    }

    // MARK: From the local end

    /// Takes bytes of the local end.
    func offer(_ bytes: ByteBuffer) {
        guard !hasLocalEnd, bytes.readableBytes > 0 else { return }
        unsent.append(bytes)
        unsentByteCount += bytes.readableBytes
        unsentCapacity += bytes.storageCapacity
    }

    /// The local end has no more bytes.
    func offerEnd() { hasLocalEnd = true }

    /// Whether the local end should wait with its next bytes.
    var isBacklogged: Bool { !unsent.isEmpty }

    /// Whether the local end is to be told when it may give more.
    var owesWantsMore = false
    /// Whether it is noted that the stream waits for more credit than it has, and whether it has waited long enough.
    var wait: Wait?

    /// How long a stream has waited for credit.
    enum Wait {
        case begun, over
    }

    /// What may be sent now, of what the local end gave.
    func takeSendable(limit: Int, at now: NIODeadline) -> ByteBuffer? {
        guard limit > 0, var first = unsent.popFirst(),
            let bytes = first.readSlice(length: min(limit, first.readableBytes))
        else { return nil }
        if first.readableBytes > 0 { unsent.prepend(first) } else { unsentCapacity -= first.storageCapacity }
        unsentByteCount -= bytes.readableBytes
        credit.spend(bytes.readableBytes)
        sending.sent(bytes.readableBytes, at: now)
        sentByteCount += bytes.readableBytes
        return bytes
    }

    /// How much may be sent as far as others on the way are concerned.
    func room(isShared: Bool) -> Int {
        sending.room(behind: credit.unreturned, of: credit.window, isShared: isShared)
    }

    /// Whether the half-close is due, which then counts as sent.
    func takeEnd() -> Bool {
        guard hasLocalEnd, !hasSentEnd, unsent.isEmpty else { return false }
        hasSentEnd = true
        return true
    }

    // MARK: From the other side

    /// Counts bytes that arrived, before they are opened into ``incoming``.
    func receive(_ byteCount: Int, at now: NIODeadline) throws(CreditError) {
        guard !hasReceivedEnd else { throw .afterEnd }
        try received.receive(byteCount, at: now)
        receivedByteCount += byteCount
    }

    /// Takes bytes that ``receive(_:at:)`` has counted; `open` appends them to the buffer it is lent.
    func fill(_ byteCount: Int, _ open: (inout ByteBuffer) -> Void) { incoming.fill(byteCount, open) }

    func receive(_ packet: CreditPacket, at now: NIODeadline) throws(CreditError) {
        switch packet {
        case .grant(let byteCount):
            let window = credit.window
            try credit.add(byteCount)
            if credit.window == window { sending.granted(byteCount, at: now) }
        case .end:
            guard !hasReceivedEnd else { throw .afterEnd }
            hasReceivedEnd = true
        }
    }

    /// What is to be handed to the local end, which then owes ``drained(_:)`` for it.
    ///
    /// To be called until `nil`. While it has something, it gets more in large pieces only, unless that is the `last`.
    func takeIncoming(last isLast: Bool = false) -> ByteBuffer? {
        switch localEnd {
        case .connecting:
            return nil
        case .connected:
            let isDue =
                handed.byteCount == 0
                || incoming.byteCount >= Self.pieceByteCount && handed.byteCount < Self.handedByteCount
            guard isDue || isLast, let piece = incoming.next() else { return nil }
            handed.byteCount += piece.readableBytes
            handed.capacity += piece.storageCapacity
            return piece
        case .echo:
            if unsent.isEmpty, let piece = incoming.next() { offer(piece) }
            return nil
        }
    }

    /// Whether everything that came was handed to the local end.
    var hasHandedAll: Bool { incoming.byteCount == 0 }

    /// The local end has taken bytes; returns the grants to send.
    ///
    /// Behind the other side's end too, because they free what the stream uses of the session's credit.
    func drained(_ byteCount: Int, isShared: Bool, mayGrow: () -> Bool) -> [Int] {
        handed.byteCount = max(0, handed.byteCount - byteCount)
        if handed.byteCount == 0 { handed.capacity = 0 }
        return received.drain(byteCount, isShared: isShared, mayGrow: { !hasReceivedEnd && mayGrow() })
    }

    /// The grant of what was drained and kept back.
    func grantBack(withholding: Bool) -> [Int] { received.grantBack(withholding: withholding) }

    /// The first grant of an `echo`, which says that this caller speaks credit.
    func openingGrant() -> [Int] { received.doubleWindow() }
}

/// What is paid for a stream: its places, and the memory that it holds.
///
/// It travels with the local end, which may still have bytes and its socket when the stream is over.
package final class ServicePlace: Sendable {
    /// What a stream costs that holds nothing, with the objects of its local end, in bytes.
    static let ownByteCount = 4096

    /// What the stream holds.
    let open: OpenHolding

    init(_ open: OpenHolding) { self.open = open }

    /// For how many bytes is paid.
    var byteCount: Int { open.holding.byteCount }
}
