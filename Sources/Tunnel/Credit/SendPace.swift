package import NIOCore

/// How much of its window a stream's sender uses where the way is shared with streams that send little.
///
/// The reader's side knows only what reaches it; a transfer that meets others' keystrokes at this side's connection alone
/// has to be held by us. What is under way is what is sent and not yet granted back, and a reader keeps one step of that
/// back. So it is that step, and what the ``PathProbe`` allows.
package struct SendPace {
    /// How much the stream sends.
    package private(set) var pace = StreamPace()
    private var sentByteCount = 0
    private var grantedByteCount = 0
    /// Since when the grant is awaited that covers so many bytes.
    private var awaited: (since: NIODeadline, byteCount: Int)?
    private var probe = PathProbe()
    private var wasShared = false
    /// The last grant that did not double the window; a reader that gives little at a time holds the stream by itself.
    private var lastGrant = Int.max

    package init() {}

    package mutating func sent(_ byteCount: Int, at now: NIODeadline) {
        pace.carried(byteCount, at: now)
        sentByteCount += byteCount
        if awaited == nil { awaited = (now, sentByteCount) }
    }

    /// The reader has granted so much back.
    package mutating func granted(_ byteCount: Int, at now: NIODeadline) {
        lastGrant = byteCount
        grantedByteCount += byteCount
        guard let awaited, grantedByteCount >= awaited.byteCount else { return }
        probe.took(now - awaited.since)
        self.awaited = nil
    }

    /// How much may be sent while so much of a window is not granted back.
    package mutating func room(behind unreturned: Int, of window: Int, isShared: Bool) -> Int {
        if isShared, !wasShared {
            probe.begin()
            awaited = nil
        }
        wasShared = isShared
        guard isShared, lastGrant >= PathProbe.leastByteCount else { return .max }
        let byteCount = ReceiveCredit.stepByteCount(of: window) + probe.byteCount(at: pace.bytesPerSecond)
        return byteCount - unreturned >= SendTurns.leastByteCount ? byteCount - unreturned : 0
    }
}
