/// How many bytes one stream may still send.
///
/// The window, which is all that can be under way at once, is not on the wire. The receiver doubles it with a
/// grant of exactly the present window and never returns drained bytes in a grant of that size, so the sender can
/// follow; what it believes is under way counts against the session's limit.
///
/// ### Invariants
/// - window = available + unreturned, after every input, and no part of it is negative.
/// - What is available is never above ``Credit/maximumByteCount``.
package struct SendCredit {
    /// What may still be sent.
    package private(set) var available = Credit.initialByteCount
    /// All that can be under way at once.
    package private(set) var window = Credit.initialByteCount

    package init() {}

    /// What is sent and not yet granted back.
    package var unreturned: Int { window - available }

    package mutating func spend(_ byteCount: Int) {
        precondition(byteCount <= available, "a sender asks before it sends")
        available -= byteCount
        assertInvariant()
    }

    private func assertInvariant() {
        assert((0...Credit.maximumByteCount).contains(available) && available <= window, "a window's parts")
    }

    package mutating func add(_ grant: Int) throws(CreditError) {
        guard (1...Credit.maximumByteCount).contains(grant),
            available + grant <= Credit.maximumByteCount
        else { throw .badGrant }
        if grant == window, window * 2 <= Credit.maximumByteCount { window *= 2 }
        available += grant
        window = max(window, available)
        assertInvariant()
    }
}

/// What all streams of one session may keep under way together, and a fair share of it for each.
package struct SessionCredit {
    package private(set) var unreturned = 0

    /// How much of the rest one stream may use for every byte it has under way already.
    ///
    /// A stalled stream keeps what it has under way for good. With a limit in proportion to what is left, one
    /// alone gets fifteen sixteenths of the session's credit, and every one that stalls leaves a part to the next:
    /// the first as much as a new stream may send before it is told anything.
    private static let share = 15

    package init() {}

    /// What a stream may send now.
    package func allowance(for credit: SendCredit) -> Int {
        let left = Credit.sessionByteCount - unreturned
        // What is sent is taken from what is left, too: afterwards the stream has at most `share` times the rest.
        let allowed = (Self.share * left - credit.unreturned) / (Self.share + 1)
        return max(0, min(credit.available, allowed))
    }

    package mutating func change(from before: Int, to after: Int) { unreturned += after - before }
}
