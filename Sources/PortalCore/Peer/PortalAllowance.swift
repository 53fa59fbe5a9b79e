internal import Account
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// What one peer of a portal may make it do and hold: how often it calls, and what its calls and answers take in memory.
struct PortalAllowance {
    /// How much is read at once at first, and of a peer that has to wait anyway while memory gets short, in bytes.
    static let leastReadByteCount = 32 << 10

    /// How much a connection may hold even where its account has no room, in bytes: what any handshake takes.
    static let freeByteCount = 4 << 10

    private var calls: Rate
    private let burst: Int
    private let controlByteCount: Int
    private var countedCallCount = 0
    private var charge: Charge?
    private var read = RunningCharge()
    /// Whether there is no room for them.
    private(set) var isOverdrawn = false
    /// How much is read of the peer at once, in bytes.
    private(set) var readByteCount = leastReadByteCount

    init(_ settings: PortalSettings, at now: NIODeadline) {
        burst = Int(settings.callBurst)
        controlByteCount = settings.controlByteCount
        calls = Rate(perSecond: settings.callsPerSecond, burst: settings.callBurst, at: now)
    }

    /// When the peer may call again; until then it is not read.
    var callsReadyAt: NIODeadline { calls.ready() }

    /// Whether the peer has asked for more than it has read, or more than there is room for, with so many bytes to read.
    func isExceeded(byUnread byteCount: Int) -> Bool {
        byteCount > controlByteCount || (isOverdrawn && byteCount > Self.freeByteCount)
    }

    /// How many calls the peer may have made in all, as things stand; at the end of its input a burst more, for there is
    /// no later for them.
    func callLimit(at now: NIODeadline, isLast: Bool) -> Int {
        countedCallCount + calls.available(at: now) + (isLast ? burst : 0)
    }

    /// Counts what costs as much as a call.
    mutating func countCall(at now: NIODeadline) { calls.spend(1, at: now) }

    /// Counts what the peer has called in all, refused calls included.
    mutating func countCalls(_ count: Int, at now: NIODeadline) {
        if count > countedCallCount { calls.spend(Double(count - countedCallCount), at: now) }
        countedCallCount = count
    }

    /// Charges the parts of packets that the session holds, the answers that nobody reads, and what was read of a peer
    /// that has to wait, in steps.
    ///
    /// Without room the peer is not read until it has read its answers. It has to go where nobody can keep the part of a
    /// packet that it has sent, and where it waits because of its own calls or answers and there is no room for what was
    /// read of it. One that `isPaused` for a receiver keeps that read all the same: it waits for somebody else.
    /// - Throws: `SecureSessionError.overAllowance`.
    mutating func pay(
        for session: SecureSession, at account: Account, isPaused: Bool = true
    ) throws(SecureSessionError) {
        let step = Self.freeByteCount
        let heldByteCount = session.pendingByteCount + session.muxrpc.outboxCapacity
        let readByteCount = session.arrivedByteCount - session.pendingByteCount
        let isKept = read.pay(for: readByteCount > step ? readByteCount : 0, at: account)
        let byteCount = (heldByteCount + step - 1) / step * step
        if byteCount == 0 { charge = nil }
        if byteCount == charge?.count ?? 0 {
            isOverdrawn = false
        } else if let charge {
            isOverdrawn = !charge.change(to: byteCount)
        } else {
            charge = account.charge(byteCount)
            isOverdrawn = charge == nil
        }
        guard isKept || isPaused, !isOverdrawn || session.pendingByteCount <= step else {
            throw .overAllowance
        }
    }

    /// What was read of the peer goes on into queues, which pay for it; what cannot is charged again.
    ///
    /// Charged twice it would have a tunnel cut that has only waited.
    mutating func passOn() { read = RunningCharge() }

    /// Charges what is left of all that was read, of which so many bytes have just come.
    ///
    /// More is read at once where they were as many as may be, and less of a peer that has to wait while memory gets short: of a
    /// thousand that begin to fill one endpoint's queues each would hold a read, and there would be no room for what the
    /// queues have to take.
    /// - Throws: `SecureSessionError.overAllowance`.
    mutating func payForRead(
        of byteCount: Int, in session: SecureSession, at account: Account, isPaused: Bool
    ) throws(SecureSessionError) {
        try pay(for: session, at: account, isPaused: isPaused)
        if isPaused {
            if account.isGettingShort { readByteCount = Self.leastReadByteCount }
        } else if byteCount >= readByteCount, readByteCount < TunnelFlow.readByteCount {
            readByteCount *= 2
        }
    }

    /// Gives back what was charged: the session is over, or is charged to another account from now on.
    mutating func giveBack() {
        charge = nil
        passOn()
    }
}
