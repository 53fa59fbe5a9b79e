internal import MuxRPC
internal import NIOCore

/// One byte stream with credit and half-close, between the other side's `service.open` or `echo` and a local end.
///
/// Bytes go both ways in binary packets; see the protocol's section 6. The local end is a socket, a pair of pipes,
/// or, for an echo that we serve, the stream itself.
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

    /// Which side opened the stream, and so ends it once both have said all.
    let isOpener: Bool
    /// The name of the service of ours that it leads to, if it does.
    let name: String?
    var localEnd: LocalEnd

    private(set) var credit = SendCredit()
    private(set) var received = ReceiveCredit()

    /// Taken from the local end and not yet allowed to be sent: at most one read of it.
    private var unsent = CircularBuffer<ByteBuffer>()
    /// Received and not yet handed to the local end.
    private var incoming = ByteBuffer()

    private var hasLocalEnd = false
    private(set) var hasSentEnd = false
    private(set) var hasReceivedEnd = false
    /// Whether the local end has been told so, behind the last bytes.
    var hasReportedEnd = false

    /// Payload sent and received, in bytes.
    private(set) var sentByteCount = 0
    private(set) var receivedByteCount = 0

    init(isOpener: Bool, localEnd: LocalEnd, name: String? = nil) {
        self.isOpener = isOpener
        self.name = name
        self.localEnd = localEnd
    }

    /// Whether both sides have said all that they had to say.
    var isComplete: Bool { hasSentEnd && hasReceivedEnd }

    // MARK: From the local end

    /// Takes bytes of the local end.
    func offer(_ bytes: ByteBuffer) {
        if !hasLocalEnd, bytes.readableBytes > 0 { unsent.append(bytes) }
    }

    /// The local end has no more bytes.
    func offerEnd() { hasLocalEnd = true }

    /// Whether the local end should wait with its next bytes.
    var isBacklogged: Bool { !unsent.isEmpty }

    /// Whether the local end is to be told when it may give more.
    var owesWantsMore = false

    /// What may be sent now, of what the local end gave.
    func takeSendable(limit: Int) -> ByteBuffer? {
        guard limit > 0, var first = unsent.popFirst(),
            let bytes = first.readSlice(length: min(limit, first.readableBytes))
        else { return nil }
        if first.readableBytes > 0 { unsent.prepend(first) }
        credit.spend(bytes.readableBytes)
        sentByteCount += bytes.readableBytes
        return bytes
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
    func fill(_ open: (inout ByteBuffer) -> Void) { open(&incoming) }

    func receive(_ packet: CreditPacket) throws(CreditError) {
        switch packet {
        case .grant(let byteCount):
            try credit.add(byteCount)
        case .end:
            guard !hasReceivedEnd else { throw .afterEnd }
            hasReceivedEnd = true
        }
    }

    /// What is to be handed to the local end, which then owes ``drained(_:)`` for it.
    func takeIncoming() -> ByteBuffer? {
        guard incoming.readableBytes > 0 else { return nil }
        switch localEnd {
        case .connecting:
            return nil
        case .connected:
            defer { incoming = ByteBuffer() }
            return incoming
        case .echo:
            offer(incoming)
            incoming = ByteBuffer()
            return nil
        }
    }

    /// The local end has taken bytes; returns the grants to send.
    ///
    /// Behind the other side's end too, because they free what the stream uses of the session's credit.
    func drained(_ byteCount: Int) -> [Int] { received.drain(byteCount, hasEnded: hasReceivedEnd) }

    /// The grant of what was drained and kept back.
    func grantBack() -> [Int] { received.grantBack() }

    /// The first grant of an `echo`, which says that this caller speaks credit.
    func openingGrant() -> [Int] { received.doubleWindow() }
}
