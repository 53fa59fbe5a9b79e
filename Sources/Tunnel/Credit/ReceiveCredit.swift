/// How many bytes the other side of one stream may still send, and when to allow more.
///
/// At any time: window = outstanding + received and not drained + drained and not granted back.
struct ReceiveCredit {
    private var window = Credit.initialByteCount
    private var outstanding = Credit.initialByteCount
    /// Received, and not yet taken by the reader.
    private(set) var undrained = 0
    private var drained = 0

    mutating func receive(_ byteCount: Int) throws(CreditError) {
        guard byteCount <= outstanding else { throw .exceeded }
        outstanding -= byteCount
        undrained += byteCount
    }

    /// The reader has taken bytes; returns the grants to send, in order.
    ///
    /// Half a window goes back at a time. While the reader keeps up, so that little waits for it, the window is
    /// doubled too: a fixed one of 256 KiB would cap a stream at 2.6 MB/s over 100 ms.
    mutating func drain(_ byteCount: Int) -> [Int] {
        precondition(byteCount <= undrained, "a reader takes what came")
        undrained -= byteCount
        drained += byteCount
        guard drained >= window / 2 else { return [] }
        // A grant of exactly the window means that it doubles; see `SendCredit`.
        let grant = min(drained, window - 1)
        drained -= grant
        outstanding += grant
        return undrained <= window / 4 ? [grant] + doubleWindow() : [grant]
    }

    /// The grant that doubles the window, unless it has grown to its limit.
    mutating func doubleWindow() -> [Int] {
        guard window * 2 <= Credit.maximumByteCount else { return [] }
        defer { window *= 2 }
        outstanding += window
        return [window]
    }
}
