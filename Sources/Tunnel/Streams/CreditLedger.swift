internal import Account
internal import MuxRPC
internal import NIOCore

/// What the streams of one session have of its credit: whose turn it is to send, and whose readers owe grants.
///
/// ### Invariants
/// - ``SendTurns/unreturned`` and the receipts are the sums over the streams that are there: whatever changes a stream's
///   credit is done within ``sending(_:_:)`` or ``receiving(_:_:)``, and ``remove(_:)`` takes its part out.
/// - A stream is in ``owing`` where its reader has drained something that is not granted back.
struct CreditLedger {
    /// How many grants below ``SendTurns/leastByteCount`` a second are taken: no reader that is honest gives many.
    private static let smallGrantsPerSecond = 1000.0

    private var turns = SendTurns()
    private var receipts = SessionReceipts()
    private var owing: Set<StreamID> = []
    private var smallGrants: Rate?
    /// Whether the peer has granted less at a time than any that is honest does.
    private(set) var isAbused = false

    /// Whether more waits for readers than a session may have waiting.
    var holdsTooMuch: Bool { receipts.undrained > Credit.heldByteCount }

    // MARK: Changes

    /// Lets a change happen to what a stream has sent, or may send.
    mutating func sending<Result, Failure>(
        _ stream: ServiceStream, _ change: (ServiceStream) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let before = stream.credit.unreturned
        defer { turns.change(from: before, to: stream.credit.unreturned) }
        return try change(stream)
    }

    /// Lets a change happen to what a stream has received, or has granted.
    mutating func receiving<Result, Failure>(
        _ stream: ServiceStream, _ change: (ServiceStream) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let before = stream.received
        defer {
            receipts.change(from: before, to: stream.received)
            let id = stream.key.stream
            if stream.received.ungranted > 0 { owing.insert(id) } else { owing.remove(id) }
        }
        return try change(stream)
    }

    /// A stream is over, and what it has is room for the others.
    mutating func remove(_ stream: ServiceStream) {
        let id = stream.key.stream
        turns.remove(id)
        turns.change(from: stream.credit.unreturned, to: 0)
        receipts.change(from: stream.received, to: nil)
        owing.remove(id)
    }

    /// The peer has granted a stream so much.
    mutating func noteGrant(of byteCount: Int, at now: NIODeadline) {
        guard byteCount < SendTurns.leastByteCount else { return }
        let perSecond = Self.smallGrantsPerSecond
        var rate = smallGrants ?? Rate(perSecond: perSecond, burst: perSecond, at: now)
        if !rate.take(at: now) { isAbused = true }
        smallGrants = rate
    }

    // MARK: Turns

    /// What a stream may send now, of what it has to send.
    func allowance(for stream: ServiceStream, isOverdue: Bool) -> Int {
        turns.allowance(for: stream.credit, of: stream.unsentByteCount, isOverdue: isOverdue)
    }

    /// The stream has more to send than it may.
    mutating func wait(_ id: StreamID) { turns.wait(id) }

    /// The stream has nothing to send any more.
    mutating func waitsNoMore(_ id: StreamID) { turns.remove(id) }

    /// Begins a round in which those that wait are looked at.
    mutating func beginRound() { turns.beginRound() }

    /// The next stream to look at.
    mutating func next() -> StreamID? { turns.next() }

    /// The stream just looked at could not send.
    mutating func lookedInVain() { turns.lookedInVain() }

    /// Whether some wait that could send now, for all that is known.
    var isUnsettled: Bool { turns.isUnsettled }

    // MARK: Grants

    /// Whether every stream has to grant back what it keeps.
    var isGrantDue: Bool { receipts.isGrantDue }

    /// Whether what is kept back on a shared way may be.
    var mayWithhold: Bool { receipts.mayWithhold }

    /// The streams whose readers owe grants.
    var owingStreams: Set<StreamID> { owing }

    /// Checks the sums.
    func assertInvariants(_ streams: some Collection<ServiceStream>) {
        assert(turns.unreturned == streams.reduce(0) { $0 + $1.credit.unreturned }, "all that is sent")
        assert(receipts.undrained == streams.reduce(0) { $0 + $1.received.undrained }, "all that waits")
        assert(
            receipts.ungranted == streams.reduce(0) { $0 + $1.received.ungranted }, "all that is kept back")
        assert(receipts.withheld == streams.reduce(0) { $0 + $1.received.withheld }, "all that is withheld")
        let owe = Set(streams.filter { $0.received.ungranted > 0 }.map(\.key.stream))
        assert(owing == owe, "who owes grants")
    }
}
