/// How many bytes one stream may still send.
///
/// The window, which is all that can be under way at once, is not on the wire. The receiver doubles it with a
/// grant of exactly the present window and never returns drained bytes in a grant of that size, so the sender can
/// follow; what it believes is under way counts against the session's limit.
struct SendCredit {
    /// What may still be sent.
    private(set) var available = Credit.initialByteCount
    private var window = Credit.initialByteCount

    /// What is sent and not yet granted back.
    var unreturned: Int { window - available }

    mutating func spend(_ byteCount: Int) {
        precondition(byteCount <= available, "a sender asks before it sends")
        available -= byteCount
    }

    mutating func add(_ grant: Int) throws(CreditError) {
        guard (1...Credit.maximumByteCount).contains(grant),
            available + grant <= Credit.maximumByteCount
        else { throw .badGrant }
        if grant == window, window * 2 <= Credit.maximumByteCount { window *= 2 }
        available += grant
        window = max(window, available)
    }
}

/// What all streams of one session may keep under way together, and a fair share of it for each.
struct SessionCredit {
    private(set) var unreturned = 0

    /// How much of the rest one stream may use for every byte it has under way already.
    ///
    /// A stalled stream keeps what it has under way for good. With a limit in proportion to what is left, one
    /// alone gets eight ninths of the session's credit, and any number of stalled ones leave some to the next.
    private static let share = 8

    /// What a stream may send now.
    func allowance(for credit: SendCredit) -> Int {
        let left = Credit.sessionByteCount - unreturned
        return max(0, min(credit.available, left, Self.share * left - credit.unreturned))
    }

    mutating func change(from before: Int, to after: Int) { unreturned += after - before }
}
