package import Multiserver
internal import MuxRPC
package import TypedSodium

/// The local ends of one connection's streams: which one gets what, which reads on, and which still has to be reachable.
///
/// `Attempt` is what is being connected for a service, `End` our end of a stream; what to do with them is the caller's.
///
/// ### Invariants
/// - An end that lingers belongs to no stream: a key is open or lingers, and never both.
package struct LocalEnds<End, Attempt> {
    /// A service that a friend uses, or is about to.
    package struct Use {
        package let name: ServiceName
        package let friend: PublicKey
        /// What is being connected, one after the other where a name has several addresses.
        package fileprivate(set) var attempts: [Attempt] = []
    }

    private var open: [StreamKey: End] = [:]
    /// Those whose stream is over, and whose local side has not taken all of it.
    private var lingering: [StreamKey: End] = [:]
    private var waiting: Set<StreamKey> = []
    private var uses: [StreamKey: Use] = [:]
    private var isConnectionOver = false

    package init() {}

    /// The end of a stream that is not over.
    package subscript(_ key: StreamKey) -> End? { open[key] }

    /// A stream has an end.
    package mutating func insert(_ end: End, at key: StreamKey) {
        open[key] = end
        assertInvariant(of: key)
    }

    /// A stream is over as far as its end is concerned.
    @discardableResult
    package mutating func remove(_ key: StreamKey) -> End? {
        waiting.remove(key)
        return open.removeValue(forKey: key)
    }

    // MARK: The backlog

    /// An end waits until the connection's backlog is gone; it may be one that is about to be inserted.
    package mutating func wait(_ key: StreamKey) { waiting.insert(key) }

    package var hasWaiting: Bool { !waiting.isEmpty }

    /// Those that have waited for the backlog, which is gone.
    package mutating func takeWaiting() -> [End] {
        defer { waiting = [] }
        return waiting.compactMap { open[$0] }
    }

    // MARK: Services

    /// A friend wants a service, for which something is about to be connected.
    package mutating func begin(_ name: ServiceName, of friend: PublicKey, at key: StreamKey) {
        uses[key] = Use(name: name, friend: friend)
    }

    /// Whether a channel is still wanted that is about to be connected for a service.
    package mutating func attempt(_ attempt: Attempt, for key: StreamKey) -> Bool {
        guard uses[key] != nil else { return false }
        uses[key]?.attempts.append(attempt)
        return true
    }

    /// The service is connected; whether anybody still waits for that.
    package mutating func connected(_ end: End, for key: StreamKey) -> Bool {
        guard uses[key] != nil else { return false }
        uses[key]?.attempts = []
        insert(end, at: key)
        return true
    }

    /// The service cannot be had; whether anybody still waits for it.
    package mutating func failed(for key: StreamKey) -> Bool { uses.removeValue(forKey: key) != nil }

    // MARK: Ends

    /// A stream is over: its end, if it had one, and the use of a service that is over with it.
    package mutating func close(_ key: StreamKey) -> (end: End?, use: Use?) {
        (remove(key), uses.removeValue(forKey: key))
    }

    /// An end whose stream is over has not taken all of it.
    package mutating func linger(_ end: End, at key: StreamKey) {
        lingering[key] = end
        assertInvariant(of: key)
    }

    /// The local side of an end is gone.
    package mutating func isGone(_ key: StreamKey) { lingering[key] = nil }

    /// What lingers of a stream that gives way, and is to go at once.
    package mutating func giveWay(_ key: StreamKey) -> End? { lingering.removeValue(forKey: key) }

    /// The connection is over.
    package mutating func connectionEnded() { isConnectionOver = true }

    /// Whether nothing can be told to give way any more: the connection is over, and nothing lingers.
    package var areOver: Bool { isConnectionOver && lingering.isEmpty }

    private func assertInvariant(of key: StreamKey) {
        assert(open[key] == nil || lingering[key] == nil, "what lingers belongs to no stream")
    }
}
