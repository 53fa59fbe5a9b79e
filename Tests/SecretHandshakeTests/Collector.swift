/// Cuts a stream that arrives in runs of any length into the messages that a machine asks for.
struct Collector {
    private var unread: [UInt8] = []

    /// What no message has claimed.
    var rest: [UInt8] { unread }

    mutating func append(_ run: some Sequence<UInt8>) { unread += run }

    /// The next message, once all of it has arrived.
    mutating func next(_ expectedByteCount: Int?) -> [UInt8]? {
        guard let expectedByteCount, unread.count >= expectedByteCount else { return nil }
        defer { unread.removeFirst(expectedByteCount) }
        return Array(unread.prefix(expectedByteCount))
    }
}
