package import NIOCore

/// How many bytes the other side of one stream may still send, and when to allow more.
///
/// ### Invariants
/// - window = outstanding + undrained + ungranted, after every input.
/// - The window grows to ``Credit/maximumByteCount`` at most.
///
/// A window cannot shrink, but what was drained need not be granted back: on a way that is shared with streams that bring
/// little, as much is kept back as leaves what the ``PathProbe`` allows under way.
package struct ReceiveCredit {
    private var window = Credit.initialByteCount
    private var outstanding = Credit.initialByteCount
    /// Received, and not yet taken by the reader.
    package private(set) var undrained = 0
    /// Taken by the reader, and not yet granted back.
    package private(set) var ungranted = 0
    /// Taken by the reader since the window has its present size.
    private var drainedInWindow = 0
    private var path = RoundTripTime()
    private var wasShared = false
    /// What is not to be granted back while the way is shared.
    private var keptBack = 0
    /// How much the stream brings.
    package private(set) var pace = StreamPace()

    package init() {}

    /// How much goes back at a time.
    ///
    /// What is kept back is missing on a long line, so it is a thirty-second of the window; but a grant costs a
    /// packet on every hop, so it is 64 KiB at least; on a shared way a quarter of what may be under way, if that is less.
    static func stepByteCount(of window: Int) -> Int { max(64 << 10, window / 32) }

    package mutating func receive(
        _ byteCount: Int, at now: NIODeadline = .uptimeNanoseconds(0)
    ) throws(CreditError) {
        guard byteCount <= outstanding else { throw .exceeded }
        outstanding -= byteCount
        undrained += byteCount
        path.received(byteCount, at: now)
        pace.carried(byteCount, at: now)
        assertInvariant()
    }

    private func assertInvariant() {
        assert(window == outstanding + undrained + ungranted, "the window is what the two sides have of it")
        assert(window <= Credit.maximumByteCount && min(outstanding, undrained, ungranted) >= 0)
    }

    /// The reader has taken bytes; returns the grants to send, in order.
    ///
    /// Once half a window was taken and the reader keeps up, so that little waits for it, the window is doubled too,
    /// where it may grow: a fixed one of 256 KiB would cap a stream at 2.6 MB/s over 100 ms. Nor is it
    /// doubled where what fills the present one waits on the way already: more would only wait longer, and with it
    /// whatever shares the way. On a way that is shared with streams that bring little it is not doubled, and a part is
    /// kept back: half of each drain, until it is enough, so that grants never cease meanwhile.
    package mutating func drain(
        _ byteCount: Int, isShared: Bool = false, mayGrow: () -> Bool = { true }
    ) -> [Int] {
        defer { assertInvariant() }
        precondition(byteCount <= undrained, "a reader takes what came")
        undrained -= byteCount
        ungranted += byteCount
        drainedInWindow += byteCount
        if isShared, !wasShared { path.beginProbe() }
        wasShared = isShared
        let limit = isShared ? min(path.probe.byteCount(at: pace.bytesPerSecond), window) : window
        keptBack = min(window - limit, keptBack + byteCount / 2)
        guard ungranted - keptBack >= min(Self.stepByteCount(of: window), limit / 4) else { return [] }
        path.granted(behind: outstanding)
        let grants = grantBack()
        guard drainedInWindow >= window / 2, undrained <= window / 4, limit == window,
            path.isClear, path.mayNeedMore(than: window), mayGrow()
        else { return grants }
        return grants + doubleWindow()
    }

    /// Of ``ungranted``, what is kept back because the way is shared.
    package var withheld: Int { min(ungranted, keptBack) }

    /// The grant of what was drained, if anything was, but for what is withheld; of that too where it cannot be spared.
    ///
    /// On a shared way a large one ends with a small part: by that the sender sees that the stream is held here. Its
    /// ``SendPace`` would take for under way what is withheld, and hardly send.
    package mutating func grantBack(withholding: Bool = true) -> [Int] {
        defer { assertInvariant() }
        // A grant of exactly the window means that it doubles; see `SendCredit`.
        let grant = min(withholding ? ungranted - withheld : ungranted, window - 1)
        guard grant > 0 else { return [] }
        ungranted -= grant
        outstanding += grant
        let last = PathProbe.leastByteCount / 2
        return wasShared && grant >= PathProbe.leastByteCount ? [grant - last, last] : [grant]
    }

    /// The grant that doubles the window, unless it has grown to its limit.
    package mutating func doubleWindow() -> [Int] {
        defer { assertInvariant() }
        guard window * 2 <= Credit.maximumByteCount else { return [] }
        let grant = window
        path.grew(behind: outstanding)
        outstanding += grant
        window *= 2
        drainedInWindow = 0
        return [grant]
    }
}

/// What the receiver of all streams of one session has, and when it may keep nothing of it back.
package struct SessionReceipts {
    /// Waits for readers.
    package private(set) var undrained = 0
    /// Drained, and kept back so that grants are few.
    package private(set) var ungranted = 0
    /// Of that, what is kept back because the way is shared.
    package private(set) var withheld = 0

    /// How much may be withheld: the sender counts it against the session's limit, and other streams need the rest.
    package static let withheldLimit = 3 << 20

    package init() {}

    /// Whether no more is withheld than may be.
    package var mayWithhold: Bool { withheld <= Self.withheldLimit }

    /// A stream's part has become another; `nil` for a stream that is not there yet, or no more.
    package mutating func change(from before: ReceiveCredit?, to after: ReceiveCredit?) {
        undrained += (after?.undrained ?? 0) - (before?.undrained ?? 0)
        ungranted += (after?.ungranted ?? 0) - (before?.ungranted ?? 0)
        withheld += (after?.withheld ?? 0) - (before?.withheld ?? 0)
    }

    /// Whether every stream has to grant back what it keeps.
    ///
    /// The sender counts that against the session's limit, where it can stop a stream, or all of them, whose
    /// windows are far from half drained: two streams with windows of 4 MiB would wait for each other for good.
    package var isGrantDue: Bool {
        guard mayWithhold else { return true }
        let (left, owed) = (max(0, Credit.sessionByteCount - undrained - ungranted), ungranted - withheld)
        return owed > 0 && owed >= left / 2
    }
}
